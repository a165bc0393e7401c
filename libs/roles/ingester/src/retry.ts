/** Repeats an attempt with pauses, and logs failures. */
import { retry } from '@loki/ports';
import type { Logger, Random, Timers } from '@loki/ports';

interface RetryOptions {
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly signal: AbortSignal;
  /** Errors that would repeat with every attempt: the caller receives them. */
  readonly isFinal?: (error: unknown) => boolean;
  readonly onFailure?: () => void;
}

/**
 * Repeats `attempt` until it succeeds, and logs each failure.
 *
 * @throws the signal's reason, or a final error
 */
export function retryLogged<T>(action: string, attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { timers, random, logger, signal, retryMinMs, retryMaxMs, isFinal, onFailure } = options;
  const attemptUnlessStopped = async () => {
    signal.throwIfAborted();
    return attempt();
  };
  return retry(attemptUnlessStopped, {
    timers,
    random,
    signal,
    pauseMinMs: retryMinMs,
    pauseMaxMs: retryMaxMs,
    isFinal: (error) => !signal.aborted && isFinal?.(error) === true,
    onFailure: (error, failures, pauseMs) => {
      onFailure?.();
      logger.warn(`${action} failed, trying again`, {
        err: error instanceof Error ? error.message : String(error),
        failures,
        pauseMs: Math.round(pauseMs),
      });
    },
  });
}
