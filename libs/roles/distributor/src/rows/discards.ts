/** Counts the discarded entries of one push by reason and policy. */
import type { DistributorMetrics } from '@loki/telemetry';
import type { DiscardReason } from '../streams/discard.ts';

interface Discard {
  readonly reason: DiscardReason;
  readonly policy: string;
  lines: number;
  bytes: number;
}

/**
 * The discarded entries of one push, by reason and policy: counted once at its end, not once for each row.
 */
export class Discards {
  readonly #discards = new Map<string, Discard>();

  add(reason: DiscardReason, lines: number, bytes: number, policy = ''): void {
    const key = policy === '' ? reason : `${reason} ${policy}`;
    let discard = this.#discards.get(key);
    if (!discard) this.#discards.set(key, (discard = { reason, policy, lines: 0, bytes: 0 }));
    discard.lines += lines;
    discard.bytes += bytes;
  }

  report(metrics: DistributorMetrics, tenant: string, format: string): void {
    for (const { reason, policy, lines, bytes } of this.#discards.values()) {
      metrics.discarded({ tenant, format, policy, reason, lines, bytes });
    }
  }
}
