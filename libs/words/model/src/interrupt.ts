/** Lets a caller interrupt long computations (regular expressions, templates) of step *fetch, scan*. */
import { AsyncLocalStorage } from 'node:async_hooks';

const checks = new AsyncLocalStorage<() => void>();

/**
 * Runs `body`. Long computations inside it (regular expressions, templates) call `check` from time to time;
 * an error that `check` throws ends them. This also applies to all promises that `body` awaits.
 */
export function interruptible<T>(check: () => void, body: () => T): T {
  return checks.run(check, body);
}

/** Whether a caller can interrupt a computation here. If not, the computation has to be short. */
export function isInterruptible(): boolean {
  return checks.getStore() !== undefined;
}

/**
 * Throws when the caller of `interruptible` has asked to stop. Long computations call it from time to time.
 */
export function checkInterrupt(): void {
  checks.getStore()?.();
}
