import type { Random, Timers } from './time.ts';

interface RetryOptions {
  readonly timers: Timers;
  readonly random: Pick<Random, 'float'>;
  /** Ends a pause. */
  readonly signal: AbortSignal;
  /** Longest pause after the first failure; it doubles with each. */
  readonly pauseMinMs: number;
  readonly pauseMaxMs: number;
  /**
   * Errors that another attempt would meet again, or that came too often, are thrown. `failures` counts this
   * one.
   */
  readonly isFinal: (error: unknown, failures: number) => boolean;
  /** Called before each pause. */
  readonly onFailure?: (error: unknown, failures: number, pauseMs: number) => void;
}

/**
 * After so many failures in a row the pause no longer doubles: 2^20 times any first pause is beyond every
 * longest one.
 */
const doublingsMax = 20;

/**
 * Repeats `attempt` until it succeeds. Pauses double up to a maximum and are half random, so that many
 * callers do not return in one instant to a store or a querier that came back.
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
