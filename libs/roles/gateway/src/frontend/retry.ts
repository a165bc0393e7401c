import { errors, LokiError } from '@loki/model';
import { retry } from '@loki/ports';
import type { Random, Timers } from '@loki/ports';

interface RetryOptions {
  readonly retriesMax: number;
  readonly timers: Timers;
  readonly random: Pick<Random, 'float'>;
  readonly signal: AbortSignal;
  /** Told once, when it is over. */
  readonly onOver?: (retries: number) => void;
  readonly onRetry?: (error: LokiError) => void;
}

const pauseMinMs = 250;
const pauseMaxMs = 5_000;

/**
 * Tries again, after a pause that doubles and is half random, what another querier, or the same one a little
 * later, may well answer.
 */
export async function retried<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { retriesMax, timers, random, signal, onOver, onRetry }: RetryOptions,
): Promise<T> {
  let attempts = 0;
  const counted = () => {
    attempts++;
    return attempt(signal);
  };
  try {
    return await retry(counted, {
      timers,
      random,
      signal,
      pauseMinMs,
      pauseMaxMs,
      isFinal: (error, failures) => signal.aborted || failures > retriesMax || !isWorthAnother(error),
      onFailure: (error) => onRetry?.(error as LokiError),
    });
  } finally {
    onOver?.(attempts - 1);
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
