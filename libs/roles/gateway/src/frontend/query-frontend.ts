/** A query from its text to its result: steps *admit* to *respond* of a query. */
import type { Limits } from '@loki/config';
import { QueryThread, evaluate } from '@loki/engine';
import type { MemoryBudget, QueryOutcome, QueryParams, Work } from '@loki/engine';
import type { Expr } from '@loki/logql';
import { LokiError } from '@loki/model';
import { tenantsText } from '@loki/ports';
import type {
  CachePolicy,
  HttpRequest,
  LeafRequest,
  QuerierService,
  ResultsKind,
  StreamVolume,
  StreamsRequest,
  Tenancy,
} from '@loki/ports';
import { isTracing, withSpan } from '@loki/telemetry';
import { selectionsOf, tooManyBytes } from '../limits/check-query-limits.ts';
import type { SelectedStreams } from '../limits/check-query-limits.ts';
import { parseWholeQuery, tightenedLimits } from '../limits/request-limits.ts';
import type { WholeQuery } from '../limits/request-limits.ts';
import { parseActorPath } from './actor-queue.ts';
import type { ActorPath } from './actor-queue.ts';
import { cachePolicyOf } from './cache-policy.ts';
import type {
  Answer,
  FrontendDeps,
  FrontendOptions,
  LeafRunnerOptions,
  QueryOptions,
} from './frontend-options.ts';
import { LeafRunner } from './leaf-runner.ts';
import { runForTenants, strictestLimits } from './multi-tenant.ts';
import { QuerierQueue } from './querier-queue.ts';
import { withQueryDeadline } from './query-deadline.ts';
import { partAttributes, queryAttributes } from './query-spans.ts';
import { streamsInParts } from './stream-runner.ts';
import { TailSlots } from './tail-slots.ts';
import { WeightSource } from './weights.ts';

/** Plans queries, queues their leaves fairly between tenants, and computes the roots. */
export class QueryFrontend {
  readonly #deps: FrontendDeps;
  readonly #options: FrontendOptions;
  readonly #queue: QuerierQueue;
  readonly #tails: TailSlots;
  readonly #weights: WeightSource;
  /** The thread that computes roots. */
  readonly #thread: QueryThread;
  readonly #stop = new AbortController();
  /** Sends requests through the tenant's queue to any free querier. */
  readonly querier: QuerierService;

  constructor(deps: FrontendDeps, options: FrontendOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#thread = deps.queryThread ?? new QueryThread(deps);
    this.#queue = new QuerierQueue(deps, options);
    this.#tails = new TailSlots(deps.timers);
    this.querier = {
      runLeaf: (request, signal) =>
        this.#queue.ask(request.tenant, (querier) => querier.runLeaf(request, signal), signal),
      streams: (request, signal) =>
        this.#queue.retried(
          (attempt) =>
            this.#queue.ask(request.tenant, (querier) => querier.streams(request, attempt), attempt),
          signal ?? this.#stop.signal,
        ),
      storedBytes: (request, signal) =>
        deps.querier
          ? deps.querier.storedBytes(request, signal)
          : this.#queue.ask(request.tenant, (querier) => querier.storedBytes(request, signal), signal),
      tail: (request, signal) =>
        deps.querier ? deps.querier.tail(request, signal) : this.#tails.tail(request, signal),
    };
    this.#weights = new WeightSource(this.querier, deps.clock);
  }

  start(): void {
    const { querier } = this.#deps;
    if (!querier) return;
    // Never rejects: a failed job rejects its caller's promise.
    for (let i = 0; i < this.#options.maxConcurrent; i++) void this.serve(querier, this.#stop.signal);
  }

  /**
   * Gives work to a querier, one job at a time, until `querierSignal` aborts.
   *
   * @param querierId the same for all slots of one querier
   */
  serve(querier: QuerierService, querierSignal: AbortSignal, querierId = ''): Promise<void> {
    return this.#queue.serve(AbortSignal.any([querierSignal, this.#stop.signal]), querier, querierId);
  }

  /** Lets a querier follow streams, one tail at a time, until `querierSignal` aborts. */
  serveTail(querier: QuerierService, querierSignal: AbortSignal): void {
    this.#tails.add(querier, querierSignal);
  }

  stop(): void {
    this.#stop.abort();
    this.#queue.close();
  }

  /** Streams of one tenant in the range, within the limits for labels and series. */
  streamsInParts(
    request: StreamsRequest,
    querier: QuerierService,
    limits: Limits,
    signal: AbortSignal,
  ): Promise<readonly StreamVolume[]> {
    const nowNs = this.#deps.clock.nowNs();
    return streamsInParts(
      request,
      {
        querier,
        weights: this.#weights,
        heads: (until) => this.#queue.headsOf(request.tenant, undefined, until),
        limits,
        nowNs,
        thread: this.#thread,
      },
      signal,
    );
  }

  /** A reason why queries cannot be answered now; undefined: none. */
  notReady(): string | undefined {
    if (this.#queue.slots > 0) return undefined;
    return 'Query Frontend not ready: number of queriers connected to query-frontend is 0';
  }

  /** Leaves that can run in parallel now. */
  get slots(): number {
    return this.#queue.slots;
  }

  /** Leaves waiting for a querier. */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** @param request its headers may tighten limits, if `perRequestLimits` is on */
  limitsFor(tenancy: Tenancy, request?: Pick<HttpRequest, 'headers'>): Limits {
    const limits = strictestLimits(tenancy.ids.map((id) => this.#deps.limits.forTenant(id)));
    if (!request || this.#options.perRequestLimits !== true) return limits;
    return tightenedLimits(limits, request.headers.get('x-loki-query-limits'));
  }

  /** The actor of a request within its tenant. */
  actorOf(request: Pick<HttpRequest, 'headers'>): ActorPath {
    return parseActorPath(request.headers.get('x-loki-actor-path'), this.#options.actorLevelsMax ?? 3);
  }

  /**
   * The whole query that a request is a part of, whose limits are then checked as well; undefined: the
   * request has no such header.
   */
  wholeQueryOf(request: Pick<HttpRequest, 'headers'>): WholeQuery | undefined {
    if (this.#options.perRequestLimits !== true) return undefined;
    return parseWholeQuery(request.headers.get('x-loki-query-limits-context'));
  }

  /**
   * @throws LokiErrors with Loki's texts; `timeout` after the tenant's query_timeout, `clientGone` with the
   *   client
   */
  async query(
    tenancy: Tenancy,
    expr: Expr,
    params: QueryParams,
    { client, noCache = false, limits = this.limitsFor(tenancy), whole, actor }: QueryOptions,
  ): Promise<Answer> {
    const { clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    let queueMs = 0;
    const runner = this.#leafRunner({
      isInstant: params.isInstant,
      limits,
      noCache,
      actor,
      onQueued: (ms) => (queueMs += ms),
    });
    const compute = async (signal: AbortSignal): Promise<QueryOutcome> => {
      await this.#checkBytes(tenancy, selectionsOf(expr, params), limits, signal);
      if (whole) await this.#checkBytes(tenancy, selectionsOf(whole.expr, whole), limits, signal);
      return evaluate(
        expr,
        params,
        (leaf: LeafRequest) =>
          runForTenants(tenancy, leaf, {
            run: (request) => runner.run(request, signal),
            complete: (work) => this.#thread.complete(work, () => signal.throwIfAborted()),
          }),
        {
          memoryBytesMax: limits.maxQueryMemoryBytes,
          isApproxTopkEnabled: limits.shardAggregations.includes('approx_topk'),
          checkCancelled: () => signal.throwIfAborted(),
          thread: this.#thread,
        },
      );
    };
    const outcome = await withSpan(
      'query',
      isTracing() ? queryAttributes(tenancy, expr) : {},
      () => this.withDeadline(tenancy, client, compute, limits),
      ({ stats }) => ({ 'loki.bytes': stats.lineBytes, 'loki.lines': stats.linesProcessed }),
    );
    return {
      ...outcome,
      execSeconds: (clock.monotonicMs() - startedMs) / 1000,
      queueSeconds: queueMs / 1000,
      splits: runner.splits,
      parts: runner.parts,
      isSharded: runner.isSharded,
    };
  }

  /** Runs the leaves of one query at queriers, cut as the tenant's limits say. */
  #leafRunner({ isInstant, limits, noCache, actor, onQueued }: LeafRunnerOptions): LeafRunner {
    const { clock } = this.#deps;
    return new LeafRunner({
      limits,
      weights: this.#weights,
      thread: this.#thread,
      nowNs: clock.nowNs(),
      isSharding: this.#options.isSharding ?? true,
      isInstant,
      recentMs: this.#options.recentMs ?? 0,
      cache: this.cachePolicy(isInstant ? 'instant' : 'results', limits, { noCache }),
      heads: (tenant, signal) => this.#queue.headsOf(tenant, actor, signal),
      ask: (request, signal) => {
        const queuedMs = clock.monotonicMs();
        const onBegin = () => onQueued(clock.monotonicMs() - queuedMs);
        return withSpan(
          'part',
          isTracing() ? partAttributes(request) : {},
          () =>
            this.#queue.retried(
              (attempt) =>
                this.#queue.ask(request.tenant, (querier) => querier.runLeaf(request, attempt), attempt, {
                  onBegin,
                  actor,
                }),
              signal,
            ),
          ({ stats }) => ({ 'loki.bytes': stats.lineBytes, 'loki.lines': stats.linesProcessed }),
        );
      },
    });
  }

  /** Runs sliced work for a client on the main thread; it ends when the client has gone. */
  complete<T>(work: Work<T>, client: AbortSignal, tenancy?: Tenancy): Promise<T> {
    const checkClient = () => {
      if (client.aborted) throw new LokiError('clientGone', 'the request was cancelled by the client');
    };
    return this.#thread.complete(work, checkClient, tenancy && tenantsText(tenancy));
  }

  /** A memory budget for an answer, from its writing until the client has received it. */
  openAnswer(): MemoryBudget {
    return this.#thread.memory.open();
  }

  /** Cache policy for a kind of answers; undefined: no cache. */
  cachePolicy(
    kind: ResultsKind,
    limits: Limits,
    { noCache = false }: Pick<QueryOptions, 'noCache'> = {},
  ): CachePolicy | undefined {
    if (noCache || !this.#options.cached?.has(kind)) return undefined;
    return cachePolicyOf(kind, limits, this.#deps.clock.nowNs());
  }

  async #checkBytes(
    tenancy: Tenancy,
    selections: readonly SelectedStreams[],
    { maxQueryBytesRead }: Limits,
    signal: AbortSignal,
  ): Promise<void> {
    if (maxQueryBytesRead <= 0) return;
    const requests = tenancy.ids.flatMap((tenant) => selections.map((each) => ({ tenant, ...each })));
    const bytes = await Promise.all(requests.map((each) => this.#weights.selectedBytes(each, signal)));
    const total = bytes.reduce((sum, each) => sum + each, 0);
    if (total > maxQueryBytesRead) throw tooManyBytes(total, maxQueryBytesRead);
  }

  /** Runs `work` until the tenant's query_timeout, or until the client has gone. */
  withDeadline<T>(
    tenancy: Tenancy,
    client: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
    { queryTimeoutMs } = this.limitsFor(tenancy),
  ): Promise<T> {
    return withQueryDeadline(work, { client, timeoutMs: queryTimeoutMs, timers: this.#deps.timers });
  }
}
