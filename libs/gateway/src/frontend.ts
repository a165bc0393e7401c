import type { Limits, LimitsSource } from '@loki/config';
import { evaluate } from '@loki/engine';
import type { QueryOutcome, QueryParams } from '@loki/engine';
import type { Expr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { Clock, LeafRequest, Logger, QuerierService, Timers } from '@loki/ports';
import { FairQueue } from './fair-queue.ts';
import { runForTenants, strictestLimits } from './multi-tenant.ts';
import type { Tenancy } from './multi-tenant.ts';

export interface FrontendOptions {
  /** Leaves run side by side by one process. */
  readonly maxConcurrent: number;
  /** Leaves one tenant may have waiting. */
  readonly maxOutstandingPerTenant: number;
}

export interface FrontendDeps {
  readonly querier: QuerierService;
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
  readonly #queue: FairQueue;
  readonly #stop = new AbortController();

  constructor(deps: FrontendDeps, options: FrontendOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#queue = new FairQueue(options.maxOutstandingPerTenant);
  }

  start(): void {
    for (let i = 0; i < this.#options.maxConcurrent; i++) {
      // Ends by the signal only: a failed job fails its caller.
      void this.#queue.serve(this.#stop.signal);
    }
  }

  stop(): void {
    this.#stop.abort();
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
    const outcome = await this.withDeadline(tenancy, client, (signal) =>
      evaluate(expr, params, (leaf: LeafRequest) =>
        runForTenants(tenancy, leaf, (request) => {
          const queuedMs = clock.monotonicMs();
          return this.#queue.submit(
            request.tenant,
            () => {
              queueMs += clock.monotonicMs() - queuedMs;
              return this.#deps.querier.runLeaf(request, signal);
            },
            signal,
          );
        }),
      ),
    );
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
