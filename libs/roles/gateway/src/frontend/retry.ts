/** Repeats a part of a query that another querier, or the same one later, may answer. */
import { errors, LokiError } from '@loki/model';
import { retry } from '@loki/ports';
import type { Random, Timers } from '@loki/ports';

interface RetryOptions {
  readonly retriesMax: number;
  readonly timers: Timers;
  readonly random: Pick<Random, 'float'>;
  readonly signal: AbortSignal;
  /** Called once at the end with the number of retries. */
  readonly onOver?: (retries: number) => void;
  readonly onRetry?: (error: LokiError) => void;
}

const pauseMinMs = 250;
const pauseMaxMs = 5_000;

/**
 * Runs `attempt` with retries for failures that another querier, or the same one later, may not have. Pauses
 * double and are half random.
 */
export async function retried<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { retriesMax, timers, random, signal, onOver, onRetry }: RetryOptions,
): Promise<T> {
  let attempts = 0;
  const countedAttempt = () => {
    attempts++;
    return attempt(signal);
  };
  try {
    return await retry(countedAttempt, {
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
 * True for errors that a retry may cure. Not for a full queue, which retries would lengthen, nor for a
 * time-out, after which the client has left. Damaged bytes are read again from the store.
 */
function isWorthAnother(error: unknown): error is LokiError {
  if (!(error instanceof LokiError)) return false;
  if (error.code === 'corrupt') return true;
  return errors[error.code].retryable && error.status >= 500 && error.code !== 'timeout';
}
