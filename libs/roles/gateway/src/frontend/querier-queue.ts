/** The work of queries on its way to queriers: a fair queue between tenants, repeats, bounds of heads. */
import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import type { PartitionHead, QuerierService } from '@loki/ports';
import { inCurrentSpan, startSpan } from '@loki/telemetry';
import type { ActorPath } from './actor-queue.ts';
import { FairQueue } from './fair-queue.ts';
import type { FrontendDeps, FrontendOptions } from './frontend-options.ts';
import { retried } from './retry.ts';

/** Hands work to the queriers that have a free slot. */
export class QuerierQueue {
  readonly #deps: FrontendDeps;
  readonly #retriesMax: number;
  readonly #queue: FairQueue<QuerierService>;
  #inflight = 0;

  constructor(deps: FrontendDeps, options: FrontendOptions) {
    this.#deps = deps;
    this.#retriesMax = options.maxRetries ?? 5;
    this.#queue = new FairQueue({
      outstandingMax: options.maxOutstandingPerTenant,
      pullersFor: (tenant, all) => pullersFor(deps.limits.forTenant(tenant), all),
    });
  }

  /** Gives work to a querier, one job at a time, until `signal` aborts. */
  serve(signal: AbortSignal, querier: QuerierService, querierId: string): Promise<void> {
    return this.#queue.serve(signal, querier, querierId);
  }

  /** Leaves that can run in parallel now. */
  get slots(): number {
    return this.#queue.pullers;
  }

  /** Leaves waiting for a querier. */
  get length(): number {
    return this.#queue.length;
  }

  close(): void {
    this.#queue.close();
  }

  /** One piece of work through the queue. */
  ask<T>(
    tenant: string,
    work: (querier: QuerierService) => Promise<T>,
    signal: AbortSignal | undefined,
    { onBegin, actor }: { readonly onBegin?: () => void; readonly actor?: ActorPath } = {},
  ): Promise<T> {
    const { queryMetrics: metrics, clock } = this.#deps;
    const queuedMs = clock.monotonicMs();
    const queueSpan = startSpan('queue', { 'loki.tenant': tenant });
    let isQueued = true;
    const dequeued = () => {
      if (!isQueued) return;
      isQueued = false;
      queueSpan.end();
      metrics?.dequeued(tenant, (clock.monotonicMs() - queuedMs) / 1000);
    };
    metrics?.enqueued(tenant);
    metrics?.inflight(++this.#inflight);
    return this.#queue
      .submit(
        tenant,
        inCurrentSpan((querier: QuerierService) => {
          dequeued();
          onBegin?.();
          return work(querier);
        }),
        signal,
        actor,
      )
      .finally(() => {
        dequeued();
        metrics?.inflight(--this.#inflight);
      });
  }

  /** Repeats a job when its querier was lost or could not answer. */
  async retried<T>(attempt: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { timers, random, queryMetrics: metrics, logger } = this.#deps;
    return retried(attempt, {
      retriesMax: this.#retriesMax,
      timers,
      random,
      signal,
      onOver: (retries) => metrics?.retried(retries),
      onRetry: (error) => logger.debug('a part of a query is repeated', { err: error.message }),
    });
  }

  /** No bounds where a querier does not answer: parts then ask heads by themselves. */
  async headsOf(
    tenant: TenantId,
    actor: ActorPath | undefined,
    signal: AbortSignal,
  ): Promise<readonly PartitionHead[]> {
    const heads = async (querier: QuerierService) => (await querier.heads?.(tenant, signal)) ?? [];
    try {
      return await this.ask(tenant, heads, signal, { actor });
    } catch (error) {
      signal.throwIfAborted();
      this.#deps.logger.debug('the bounds of heads are not known', { err: String(error) });
      return [];
    }
  }
}

/** Queriers that may work for a tenant: the smaller of `max_queriers_per_tenant` and `max_query_capacity`. */
function pullersFor({ maxQueriersPerTenant, maxQueryCapacity }: Limits, all: number): number {
  const byCount = maxQueriersPerTenant > 0 ? maxQueriersPerTenant : all;
  const byShare = maxQueryCapacity > 0 && maxQueryCapacity < 1 ? Math.ceil(maxQueryCapacity * all) : all;
  return Math.min(byCount, byShare, all);
}
