import type { Logger, Random, Timers } from '@loki/ports';

interface RetryOptions {
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly signal: AbortSignal;
  /** Errors that another attempt would meet again are passed on. */
  readonly isFinal?: (error: unknown) => boolean;
  readonly onFailure?: () => void;
}

/**
 * After so many failures in a row the pause no longer doubles: 2^20 times any first pause is beyond every
 * longest one.
 */
const doublingsMax = 20;

/**
 * Repeats `attempt` until it succeeds, with pauses that double up to a maximum and are half random, so that
 * the partitions of many processes do not return to a store that came back in one instant.
 *
 * @throws the signal's reason, or a final error
 */
export async function retry<T>(what: string, attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let failures = 0; ; failures++) {
    options.signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      options.signal.throwIfAborted();
      if (options.isFinal?.(error)) throw error;
      options.onFailure?.();
      const longest = Math.min(
        options.retryMaxMs,
        options.retryMinMs * 2 ** Math.min(failures, doublingsMax),
      );
      const pauseMs = longest * (0.5 + options.random.float() / 2);
      options.logger.warn(`${what} failed, trying again`, {
        err: error instanceof Error ? error.message : String(error),
        failures: failures + 1,
        pauseMs: Math.round(pauseMs),
      });
      await options.timers.sleep(pauseMs, options.signal);
    }
  }
}
