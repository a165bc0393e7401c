/** Log lines about refused pushes, few for each tenant: end of a push that is not stored. */
import type { Clock, Logger } from '@loki/ports';

/** Time between two lines about one tenant. */
const pauseMs = 10_000;
/** Tenants that may have a line in that time. Each has an entry of some 100 bytes. */
const tenantsMax = 100;
/** Of an error text: it may name hundreds of streams. */
const charsMax = 500;

interface Reported {
  /** No other line before. */
  readonly untilMs: number;
  /** Refusals since the last line. */
  unreported: number;
}

/**
 * Tells operators why agents lose lines: agents often drop the text of a refusal. The counters
 * `loki_discarded_samples_total` count every refused line; this names a cause, once in ten seconds for each
 * tenant.
 */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #reported = new Map<string, Reported>();

  constructor(logger: Logger, clock: Pick<Clock, 'monotonicMs'>) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** @param text the error as the client reads it: names of streams and limits, no lines */
  report(tenant: string, status: number, text: string): void {
    const nowMs = this.#clock.monotonicMs();
    const last = this.#reported.get(tenant);
    if (last && nowMs < last.untilMs) {
      last.unreported++;
      return;
    }
    if (!last && this.#reported.size >= tenantsMax) this.#forgetOld(nowMs);
    if (!last && this.#reported.size >= tenantsMax) return;
    this.#reported.set(tenant, { untilMs: nowMs + pauseMs, unreported: 0 });
    const err = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
    this.#logger.warn('push refused', { tenant, status, err, unreported: last?.unreported ?? 0 });
  }

  #forgetOld(nowMs: number): void {
    for (const [tenant, { untilMs }] of this.#reported) {
      if (untilMs <= nowMs) this.#reported.delete(tenant);
    }
  }
}
