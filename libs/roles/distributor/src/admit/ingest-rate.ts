/** The ingest rate of one tenant: step *limit* of a written line. */
import type { Limits } from '@loki/config';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import { TokenBucket } from './token-bucket.ts';

/** A bucket without a push for this long is full again under any sensible limit, so it is dropped. */
const bucketIdleMs = 10 * 60_000;

/** Time after a push refused for its rate during which the tenant counts as exceeding it. */
const exceededForMs = 1_000;

/** A tenant's ingest rate. A push is admitted whole or refused whole. */
export class IngestRate {
  readonly #buckets = new Map<TenantId, TokenBucket>();
  readonly #healthyDistributors: () => number;
  #sweptMs = 0;

  /** @param healthyDistributors number of distributors that share a `global` rate */
  constructor(healthyDistributors: () => number) {
    this.#healthyDistributors = healthyDistributors;
  }

  /**
   * @throws LokiError 429, naming the whole limit and not this process's share, when the push is more than
   *   the tenant may send now
   */
  take(tenant: TenantId, limits: Limits, lines: number, bytes: number, nowMs: number): void {
    const share = limits.ingestionRateStrategy === 'global' ? Math.max(1, this.#healthyDistributors()) : 1;
    const rate = limits.ingestionRateBytes / share;
    const burst = limits.ingestionBurstBytes;
    let bucket = this.#buckets.get(tenant);
    if (!bucket) this.#buckets.set(tenant, (bucket = new TokenBucket(burst, nowMs)));
    if (nowMs - this.#sweptMs > bucketIdleMs) this.#sweep(nowMs);
    if (bucket.take(bytes, rate, burst, nowMs)) return;
    bucket.refusedMs = nowMs;
    throw new LokiError(
      'rateLimited',
      `ingestion rate limit exceeded for user ${tenant} (limit: ${Math.floor(limits.ingestionRateBytes)} bytes/sec) while attempting to ingest '${lines}' lines totaling '${bytes}' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased`,
    );
  }

  /** Whether the tenant sends more than it may, so that the next push will probably be refused, too. */
  isExceeded(tenant: TenantId, nowMs: number): boolean {
    const bucket = this.#buckets.get(tenant);
    return bucket !== undefined && nowMs - bucket.refusedMs < exceededForMs;
  }

  /** Returns the bytes of rows that were refused later. */
  giveBack(tenant: TenantId, bytes: number): void {
    this.#buckets.get(tenant)?.giveBack(bytes);
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [tenant, bucket] of this.#buckets) {
      if (nowMs - bucket.usedMs > bucketIdleMs) this.#buckets.delete(tenant);
    }
  }
}
