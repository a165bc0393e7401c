/** Retries with jittered pauses, for calls to stores, logs and queriers. */
import type { Random, Timers } from './time.ts';

interface RetryOptions {
  readonly timers: Timers;
  readonly random: Pick<Random, 'float'>;
  /** Ends the pauses and the retries. */
  readonly signal: AbortSignal;
  /** Longest pause after the first failure; it doubles with each. */
  readonly pauseMinMs: number;
  readonly pauseMaxMs: number;
  /**
   * True for an error that would repeat with every attempt, or that came too often: it is thrown. `failures`
   * includes this error.
   */
  readonly isFinal: (error: unknown, failures: number) => boolean;
  /** Called before each pause. */
  readonly onFailure?: (error: unknown, failures: number, pauseMs: number) => void;
}

/**
 * After this many failures in a row the pause no longer doubles: 2^20 times any first pause exceeds every
 * maximum.
 */
const doublingsMax = 20;

/**
 * Repeats `attempt` until it succeeds. Pauses double up to a maximum, and half of each pause is random, so
 * that many callers do not return at the same moment to a store or querier that recovered.
 *
 * @throws a final error, or the signal's reason
 */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { timers, random, signal, pauseMinMs, pauseMaxMs, isFinal, onFailure } = options;
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (isFinal(error, failures)) throw error;
      signal.throwIfAborted();
      const longestMs = Math.min(pauseMaxMs, pauseMinMs * 2 ** Math.min(failures - 1, doublingsMax));
      const pauseMs = longestMs * (0.5 + random.float() / 2);
      onFailure?.(error, failures, pauseMs);
      await timers.sleep(pauseMs, signal);
    }
  }
}
