import type { DistributorMetrics } from '@loki/telemetry';
import type { DiscardReason } from './discard.ts';

/** What one push lost, by reason: counted once at its end, not once a row. */
export class Discards {
  readonly #lines = new Map<DiscardReason, number>();
  readonly #bytes = new Map<DiscardReason, number>();

  add(reason: DiscardReason, lines: number, bytes: number): void {
    this.#lines.set(reason, (this.#lines.get(reason) ?? 0) + lines);
    this.#bytes.set(reason, (this.#bytes.get(reason) ?? 0) + bytes);
  }

  report(metrics: DistributorMetrics, tenant: string, format: string): void {
    for (const [reason, lines] of this.#lines)
      metrics.discarded(tenant, format, reason, lines, this.#bytes.get(reason) ?? 0);
  }
}
