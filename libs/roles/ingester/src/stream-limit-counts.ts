/** Counts the active streams of tenants for all distributors: step *limit* of a written line. */
import type { TenantId } from '@loki/model';
import type { Clock, StreamClaim, StreamLimitService } from '@loki/ports';

interface StreamLimitCountsOptions {
  /** A stream that no distributor claims or reports for this long is no longer active. */
  readonly streamIdleMs: number;
}

interface TenantStreams {
  /** Time of the last claim or report of each stream. */
  readonly seenMs: Map<number, number>;
  sweptMs: number;
}

/** Sweeps for idle streams in each `streamIdleMs`. */
const sweepsPerIdleTime = 8;
/** Least time between two sweeps of a tenant at its limit: such a tenant claims streams with every push. */
const fullSweepMs = 1_000;

/**
 * The active streams of tenants, counted in one place for all distributors. The counts are in memory only:
 * after a restart, or when another process leads, distributors report all admitted streams again
 * (`activeStreams`), so the count is low for a moment and then right.
 */
export class StreamLimitCounts implements StreamLimitService {
  readonly #clock: Clock;
  readonly #streamIdleMs: number;
  readonly #tenants = new Map<TenantId, TenantStreams>();
  #sweptMs: number;

  constructor(clock: Clock, { streamIdleMs }: StreamLimitCountsOptions) {
    this.#clock = clock;
    this.#streamIdleMs = streamIdleMs;
    this.#sweptMs = clock.monotonicMs();
  }

  async claim(claims: readonly StreamClaim[]): Promise<readonly Uint8Array[]> {
    const nowMs = this.#clock.monotonicMs();
    this.#sweepTenants(nowMs);
    return claims.map((claim) => this.#claim(claim, nowMs));
  }

  /** Streams that count against a tenant's limit. */
  activeStreams(tenant: TenantId): number {
    return this.#tenants.get(tenant)?.seenMs.size ?? 0;
  }

  get tenantCount(): number {
    return this.#tenants.size;
  }

  #claim({ tenant, activeMax, activeStreams, newStreams }: StreamClaim, nowMs: number): Uint8Array {
    let streams = this.#tenants.get(tenant);
    if (!streams) this.#tenants.set(tenant, (streams = { seenMs: new Map(), sweptMs: nowMs }));
    const { seenMs } = streams;
    for (const stream of activeStreams) seenMs.set(stream, nowMs);
    const admitted = new Uint8Array(newStreams.length);
    for (let i = 0; i < newStreams.length; i++) {
      const stream = newStreams[i];
      if (!seenMs.has(stream)) {
        if (seenMs.size >= activeMax && nowMs - streams.sweptMs >= fullSweepMs) this.#sweep(streams, nowMs);
        if (seenMs.size >= activeMax) continue;
      }
      seenMs.set(stream, nowMs);
      admitted[i] = 1;
    }
    return admitted;
  }

  #sweepTenants(nowMs: number): void {
    if (nowMs - this.#sweptMs <= this.#streamIdleMs / sweepsPerIdleTime) return;
    this.#sweptMs = nowMs;
    for (const [tenant, streams] of this.#tenants) {
      this.#sweep(streams, nowMs);
      if (streams.seenMs.size === 0) this.#tenants.delete(tenant);
    }
  }

  #sweep(streams: TenantStreams, nowMs: number): void {
    streams.sweptMs = nowMs;
    for (const [stream, seenMs] of streams.seenMs) {
      if (nowMs - seenMs > this.#streamIdleMs) streams.seenMs.delete(stream);
    }
  }
}
