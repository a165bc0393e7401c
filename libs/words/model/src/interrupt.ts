import { AsyncLocalStorage } from 'node:async_hooks';

const checks = new AsyncLocalStorage<() => void>();

/**
 * Runs `body` so that long computations inside of it, regular expressions and templates, ask `check` now and
 * then. An error that it throws ends them. Holds for everything that `body` awaits as well.
 */
export function interruptible<T>(check: () => void, body: () => T): T {
  return checks.run(check, body);
}

/** Whether a computation here can be ended by its caller. False: it has to be short. */
export function isInterruptible(): boolean {
  return checks.getStore() !== undefined;
}

/** Throws when the caller of `interruptible` wants an end. Long computations call it from time to time. */
export function checkInterrupt(): void {
  checks.getStore()?.();
}
