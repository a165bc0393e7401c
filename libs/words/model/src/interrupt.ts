import { AsyncLocalStorage } from 'node:async_hooks';

const checks = new AsyncLocalStorage<() => void>();

/**
 * Runs `body` so that long computations inside of it, regular expressions and templates, ask `check` now and
 * then; what it throws ends them. Holds for everything that `body` awaits as well.
 */
export function interruptible<T>(check: () => void, body: () => T): T {
  return checks.run(check, body);
}

/** False: nobody can end a computation here, so it has to be short. */
export function isInterruptible(): boolean {
  return checks.getStore() !== undefined;
}

/** To be called from time to time by computations that may take long. */
export function checkInterrupt(): void {
  checks.getStore()?.();
}
