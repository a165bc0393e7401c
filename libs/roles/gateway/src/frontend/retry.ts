import { errors, LokiError } from '@loki/model';
import type { Timers } from '@loki/ports';

interface RetryOptions {
  readonly retriesMax: number;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** Told once, when it is over. */
  readonly onOver?: (retries: number) => void;
  readonly onRetry?: (error: LokiError) => void;
}

const pauseMinMs = 250;
const pauseMaxMs = 5_000;

/**
 * Tries again, after a pause that doubles, what another querier, or the same one a little later, may well
 * answer.
 */
export async function retried<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { retriesMax, timers, signal, onOver, onRetry }: RetryOptions,
): Promise<T> {
  let retries = 0;
  try {
    for (;;) {
      try {
        return await attempt(signal);
      } catch (error) {
        if (signal.aborted || retries >= retriesMax || !isWorthAnother(error)) throw error;
        onRetry?.(error);
        await timers.sleep(Math.min(pauseMinMs * 2 ** retries, pauseMaxMs), signal);
        retries++;
      }
    }
  } finally {
    onOver?.(retries);
  }
}

/**
 * Not a full queue, which grows by trying, nor a time-out, after which nobody waits. Damaged bytes are read
 * anew from the store.
 */
function isWorthAnother(error: unknown): error is LokiError {
  if (!(error instanceof LokiError)) return false;
  if (error.code === 'corrupt') return true;
  return errors[error.code].retryable && error.status >= 500 && error.code !== 'timeout';
}
