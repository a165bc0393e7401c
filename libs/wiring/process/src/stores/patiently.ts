/** Waits at the start of a process for unavailable services. */
import { LokiError } from '@loki/model';
import type { Logger, Random, Timers } from '@loki/ports';

export interface Patience {
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Called with the missing service, in the words of `/ready`; undefined: nothing is missing. */
  readonly onMissing: (text: string | undefined) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

const pauseMinMs = 500;
const pauseMaxMs = 30_000;

/**
 * Repeats `attempt` while it fails with `unavailable`. Pauses double up to 30 s and are half random, so that
 * the processes of a system do not return to a service at the same instant.
 *
 * @throws other errors at once
 */
export async function patiently<T>(
  service: string,
  attempt: () => Promise<T>,
  patience: Patience,
): Promise<T> {
  const { timers, random, logger, onMissing, signal } = patience;
  for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(pauseMaxMs, pauseMs * 2)) {
    try {
      const result = await attempt();
      onMissing(undefined);
      return result;
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'unavailable') throw error;
      onMissing(`${service}: ${error.message}`);
      logger.error('a service is missing, trying again', { service, err: error.message });
    }
    await timers.sleep(pauseMs * (0.5 + random.float() / 2), signal);
  }
}
