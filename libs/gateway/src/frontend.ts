import type { Limits, LimitsSource } from '@loki/config';
import { evaluate } from '@loki/engine';
import type { QueryOutcome, QueryParams } from '@loki/engine';
import type { Expr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { Clock, LeafRequest, Logger, QuerierService, Timers, Tenancy } from '@loki/ports';
import { FairQueue } from './fair-queue.ts';
import { TailSlots } from './tail-slots.ts';
import { runForTenants, strictestLimits } from './multi-tenant.ts';

export interface FrontendOptions {
  /** Leaves that the querier of this process runs side by side. */
  readonly maxConcurrent: number;
  /** Leaves one tenant may have waiting. */
  readonly maxOutstandingPerTenant: number;
}

export interface FrontendDeps {
  /** The querier of this process. Absent: queriers elsewhere fetch the work, see `serve`. */
  readonly querier?: QuerierService;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface Answer extends QueryOutcome {
  readonly execSeconds: number;
  /** Summed over all leaves. */
  readonly queueSeconds: number;
}

const timeoutText =
  'request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed';

/** Plans queries, queues their leaves fairly between tenants, and computes the roots. */
export class QueryFrontend {
  readonly #deps: FrontendDeps;
  readonly #options: FrontendOptions;
  readonly #queue: FairQueue<QuerierService>;
  readonly #tails: TailSlots;
  readonly #stop = new AbortController();
  /** Answers by whichever querier is free; whoever asks waits in the tenant's queue. */
  readonly querier: QuerierService;

  constructor(deps: FrontendDeps, options: FrontendOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#queue = new FairQueue(options.maxOutstandingPerTenant);
    this.#tails = new TailSlots(deps.timers);
    this.querier = {
      runLeaf: (request, signal) =>
        this.#queue.submit(request.tenant, (querier) => querier.runLeaf(request, signal), signal),
      streams: (request, signal) =>
        this.#queue.submit(request.tenant, (querier) => querier.streams(request, signal), signal),
      tail: (request, signal) =>
        deps.querier ? deps.querier.tail(request, signal) : this.#tails.tail(request, signal),
    };
  }

  start(): void {
    const { querier } = this.#deps;
    if (!querier) return;
    // Ends by the signal only: a failed job fails its caller.
    for (let i = 0; i < this.#options.maxConcurrent; i++) void this.serve(querier, this.#stop.signal);
  }

  /** Gives work to a querier, one piece at a time, until it is gone. */
  serve(querier: QuerierService, gone: AbortSignal): Promise<void> {
    return this.#queue.serve(AbortSignal.any([gone, this.#stop.signal]), querier);
  }

  /** Lets a querier follow streams, one tail at a time, until it is gone. */
  serveTail(querier: QuerierService, gone: AbortSignal): void {
    this.#tails.add(querier, gone);
  }

  stop(): void {
    this.#stop.abort();
    this.#queue.close();
  }

  /** What keeps queries from being answered now; undefined: nothing. */
  notReady(): string | undefined {
    if (this.#queue.pullers > 0) return undefined;
    return 'Query Frontend not ready: number of queriers connected to query-frontend is 0';
  }

  /** Leaves waiting for a querier. */
  get queueLength(): number {
    return this.#queue.length;
  }

  limitsFor(tenancy: Tenancy): Limits {
    return strictestLimits(tenancy.ids.map((id) => this.#deps.limits.forTenant(id)));
  }

  /** @throws LokiErrors with Loki's texts; `timeout` after the tenant's query_timeout, `clientGone` with the client */
  async query(tenancy: Tenancy, expr: Expr, params: QueryParams, client: AbortSignal): Promise<Answer> {
    const { clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    let queueMs = 0;
    const limits = this.limitsFor(tenancy);
    const options = {
      memoryBytesMax: limits.maxQueryMemoryBytes,
      isApproxTopkEnabled: limits.shardAggregations.includes('approx_topk'),
    };
    const outcome = await this.withDeadline(tenancy, client, (signal) => {
      const runLeaf = (leaf: LeafRequest) =>
        runForTenants(tenancy, leaf, (request) => {
          const queuedMs = clock.monotonicMs();
          return this.#queue.submit(
            request.tenant,
            (querier) => {
              queueMs += clock.monotonicMs() - queuedMs;
              return querier.runLeaf(request, signal);
            },
            signal,
          );
        });
      return evaluate(expr, params, runLeaf, { ...options, checkCancelled: () => signal.throwIfAborted() });
    });
    return {
      ...outcome,
      execSeconds: (clock.monotonicMs() - startedMs) / 1000,
      queueSeconds: queueMs / 1000,
    };
  }

  /** Runs `work` under the tenant's query_timeout and the client's patience. */
  async withDeadline<T>(
    tenancy: Tenancy,
    client: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const deadline = new AbortController();
    const { queryTimeoutMs } = this.limitsFor(tenancy);
    const timer =
      queryTimeoutMs > 0
        ? this.#deps.timers.after(queryTimeoutMs, () => deadline.abort(new LokiError('timeout', timeoutText)))
        : undefined;
    const onGone = () =>
      deadline.abort(new LokiError('clientGone', 'the request was cancelled by the client'));
    if (client.aborted) onGone();
    client.addEventListener('abort', onGone, { once: true });
    const gaveUp = Promise.withResolvers<never>();
    // The race may be over before this one rejects.
    gaveUp.promise.catch(() => undefined);
    deadline.signal.addEventListener('abort', () => gaveUp.reject(deadline.signal.reason as Error), {
      once: true,
    });
    try {
      deadline.signal.throwIfAborted();
      return await Promise.race([work(deadline.signal), gaveUp.promise]);
    } finally {
      timer?.cancel();
      client.removeEventListener('abort', onGone);
    }
  }
}
