/**
 * Runs one leaf of a query: cuts it, asks heads for their bounds, runs the parts in parallel, merges: steps
 * *cut*, *select* and *merge* of a query.
 */
import type { Limits } from '@loki/config';
import {
  floorTo,
  joinSampleParts,
  mergeLeafResults,
  mergeRangeParts,
  resultBytes,
  stepCount,
} from '@loki/engine';
import type { QueryThread, Work } from '@loki/engine';
import { logExprOf, parseLeafText, printLeaf, rangeAggregationOf } from '@loki/logql';
import { LokiError, nsPerMs, Semaphore } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { CachePolicy, LeafRequest, LeafResult, LogLeafRequest, PartitionHead } from '@loki/ports';
import { tooLargeForQuerier } from '../limits/check-query-limits.ts';
import { cutLeaf } from './cut-leaf.ts';
import type { CutLimits, Stretch } from './cut-leaf.ts';
import { isBeforeHeads } from './stream-runner.ts';
import type { Weights, WeightSource } from './weights.ts';

interface LeafRunnerDeps {
  readonly limits: Limits;
  readonly weights: WeightSource;
  /** The thread that merges parts. */
  readonly thread: QueryThread;
  readonly nowNs: bigint;
  /** Whether leaves may be cut by stream. */
  readonly isSharding: boolean;
  readonly isInstant: boolean;
  /** Age up to which `split_ingester_queries_by_interval` applies; 0: always. */
  readonly recentMs: number;
  /** Cache policy of the parts; undefined: no cache. */
  readonly cache: CachePolicy | undefined;
  /** Bounds of the tenant's heads now; none: parts ask heads by themselves. */
  readonly heads: (tenant: TenantId, signal: AbortSignal) => Promise<readonly PartitionHead[]>;
  /** Sends one part to a querier, with retries. */
  readonly ask: (request: LeafRequest, signal: AbortSignal) => Promise<LeafResult>;
}

type Hold = (part: LeafResult, signal: AbortSignal) => Promise<LeafResult>;

/** Bytes that one querier reads for one part if the tenant has no limit. */
export const bytesPerShardDefault = 600_000_000;

/**
 * Runs the leaves of one query: cuts them into parts, runs the parts in parallel within the tenant's limits,
 * and merges the results.
 */
export class LeafRunner {
  readonly #deps: LeafRunnerDeps;
  /** Bounds parts over all streams; `#shardSemaphore` bounds shards. */
  readonly #semaphore: Semaphore;
  readonly #shardSemaphore: Semaphore;
  /** Bounds of heads by tenant, asked once for a query. */
  readonly #heads = new Map<TenantId, Promise<readonly PartitionHead[]>>();
  splits = 0;
  parts = 0;
  isSharded = false;

  /** @throws LokiError when the tenant may not query at all */
  constructor(deps: LeafRunnerDeps) {
    const { maxQueryParallelism, tsdbMaxQueryParallelism } = deps.limits;
    if (maxQueryParallelism <= 0) {
      throw new LokiError('tooManyRequests', 'querying is disabled, please contact your Loki operator');
    }
    this.#deps = deps;
    this.#semaphore = new Semaphore(maxQueryParallelism);
    this.#shardSemaphore = new Semaphore(Math.max(maxQueryParallelism, tsdbMaxQueryParallelism));
  }

  async run(request: LeafRequest, signal: AbortSignal): Promise<LeafResult> {
    const limits = this.#cutLimits();
    const stretches = cutLeaf(request, await this.#weigh(request, limits, signal), limits);
    if (stretches.length > 1) this.splits += stretches.length;
    for (const stretch of stretches) this.#check(stretch);
    if (stretches.length === 1) return this.#stretch(stretches[0], signal, this.#isOld(request));
    if (request.kind === 'log') {
      return this.#inOrder(request, stretches as Stretch<LogLeafRequest>[], signal);
    }
    return this.#charged(async (hold) => {
      const parts = await this.#all(stretches, signal, hold);
      const joined =
        stepCount(request) === 1 ? mergeRangeParts(request, parts) : joinSampleParts(request, parts);
      return this.#complete(joined, signal);
    });
  }

  /** Charges answers of parts to the memory budget until they are merged; `hold` charges one. */
  async #charged(merge: (hold: Hold) => Promise<LeafResult>): Promise<LeafResult> {
    const memory = this.#deps.thread.memory.open();
    try {
      return await merge(async (part, signal) => {
        memory.charge(await this.#complete(resultBytes(part), signal));
        return part;
      });
    } finally {
      memory.close();
    }
  }

  #complete<T>(work: Work<T>, signal: AbortSignal): Promise<T> {
    return this.#deps.thread.complete(work, () => signal.throwIfAborted());
  }

  /** Runs all stretches in parallel; the first failure ends the others. */
  async #all(stretches: readonly Stretch<LeafRequest>[], signal: AbortSignal, hold: Hold) {
    const stop = new AbortController();
    const anySignal = AbortSignal.any([signal, stop.signal]);
    try {
      return await Promise.all(
        stretches.map(async (stretch, i) => {
          // The newest stretch is where heads have rows: it asks them, and the others wait for the bounds.
          const isNewest = i === stretches.length - 1;
          const result = await hold(await this.#stretch(stretch, anySignal, !isNewest), anySignal);
          if (stretch.request.kind !== 'samples' || result.kind !== 'samples') throw mixedUp();
          return { request: stretch.request, result };
        }),
      );
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  }

  /**
   * Reads log lines stretch by stretch in the query's direction until there are enough. A plain selection
   * finds its lines in the first stretch; for a filter the next stretch is read ahead.
   */
  async #inOrder(
    request: LogLeafRequest,
    stretches: readonly Stretch<LogLeafRequest>[],
    signal: AbortSignal,
  ): Promise<LeafResult> {
    const order = request.direction === 'backward' ? stretches.toReversed() : stretches;
    const isPlain = logExprOf(parseLeafText(request.expr))?.stages.length === 0;
    const { maxQueryParallelism } = this.#deps.limits;
    const partsAhead = request.limit > 0 && isPlain ? 1 : maxQueryParallelism;
    const stop = new AbortController();
    const anySignal = AbortSignal.any([signal, stop.signal]);
    const running: Promise<LeafResult>[] = [];
    const results: LeafResult[] = [];
    let rows = 0;
    try {
      for (let i = 0; i < order.length && (request.limit === 0 || rows < request.limit); i++) {
        while (running.length < order.length && running.length < i + partsAhead) {
          // The first part may have all requested lines.
          const isBounded = running.length > 0 || this.#isOld(request);
          const next = this.#stretch(order[running.length], anySignal, isBounded);
          // It is awaited in its turn, if ever.
          next.catch(() => undefined);
          running.push(next);
        }
        const result = await running[i];
        if (result.kind !== 'log') throw mixedUp();
        rows += result.timestampNs.length;
        results.push(result);
      }
    } finally {
      stop.abort(new LokiError('clientGone', 'enough lines were found'));
    }
    return this.#complete(mergeLeafResults(request, results), signal);
  }

  /**
   * @param isBounded the stretch waits for the bounds of heads, so that heads without its rows are not asked
   */
  async #stretch(
    { request, shards }: Stretch<LeafRequest>,
    signal: AbortSignal,
    isBounded: boolean,
  ): Promise<LeafResult> {
    const { cache } = this.#deps;
    const heads = isBounded || shards.length > 1 ? await this.#headsOf(request.tenant, signal) : [];
    const leaf = {
      ...request,
      ...(cache ? { cache } : {}),
      ...(heads.length > 0 ? { heads } : {}),
    };
    const ask = (semaphore: Semaphore, part: LeafRequest) => {
      this.parts++;
      return semaphore.run(() => this.#deps.ask(part, signal), signal);
    };
    if (shards.length === 0) return ask(this.#semaphore, leaf);
    this.isSharded = true;
    return this.#charged(async (hold) => {
      const parts = await Promise.all(
        shards.map(async (shard) => hold(await ask(this.#shardSemaphore, { ...leaf, shard }), signal)),
      );
      return this.#complete(mergeLeafResults(request, parts, this.#deps.thread.memory), signal);
    });
  }

  /** Whether heads hardly have rows of the leaf's time: one call to each ingester tells. */
  #isOld(request: LeafRequest): boolean {
    return isBeforeHeads(selectionOf(request).endNs, this.#deps.nowNs);
  }

  async #headsOf(tenant: TenantId, signal: AbortSignal): Promise<readonly PartitionHead[]> {
    let heads = this.#heads.get(tenant);
    // The leaf that asks first may end first; the others then go without.
    if (!heads) this.#heads.set(tenant, (heads = this.#deps.heads(tenant, signal).catch(() => [])));
    const bounds = await heads;
    signal.throwIfAborted();
    return bounds;
  }

  #cutLimits(): CutLimits {
    const { limits, nowNs, isInstant, isSharding } = this.#deps;
    const splitMs = isInstant
      ? limits.splitInstantMetricQueriesByIntervalMs
      : limits.splitQueriesByIntervalMs;
    const splitNs = BigInt(splitMs) * nsPerMs;
    return {
      splitNs,
      recent: this.#recent(splitNs),
      bytesPerShard: limits.tsdbMaxBytesPerShard > 0 ? limits.tsdbMaxBytesPerShard : bytesPerShardDefault,
      shardsMax: isSharding ? limits.tsdbMaxQueryParallelism : 1,
      strategy: limits.tsdbShardingStrategy,
      shardBeforeNs:
        limits.minShardingLookbackMs > 0
          ? nowNs - BigInt(limits.minShardingLookbackMs) * nsPerMs
          : BigInt(Number.MAX_SAFE_INTEGER) * nsPerMs,
      shardAggregations: limits.shardAggregations,
    };
  }

  /**
   * The recent range begins on a border of the other interval, so that borders do not move with the clock.
   */
  #recent(splitNs: bigint): CutLimits['recent'] {
    const { limits, nowNs, isInstant, recentMs } = this.#deps;
    const recentSplitNs = BigInt(limits.splitIngesterQueriesByIntervalMs) * nsPerMs;
    if (recentSplitNs <= 0n || splitNs <= 0n || isInstant) return undefined;
    const fromNs = recentMs > 0 ? floorTo(nowNs - BigInt(recentMs) * nsPerMs, splitNs) : 0n;
    return { fromNs, splitNs: recentSplitNs };
  }

  /** Undefined if the weights cannot be determined: the query then runs without a cut. */
  async #weigh(request: LeafRequest, cut: CutLimits, signal: AbortSignal): Promise<Weights | undefined> {
    const { weights, limits } = this.#deps;
    const bytesPerPart = Math.min(cut.bytesPerShard, limits.maxQuerierBytesRead || Infinity);
    try {
      return await weights.of({ tenant: request.tenant, ...selectionOf(request) }, bytesPerPart, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof LokiError)) throw error;
      return undefined;
    }
  }

  #check({ bytes, shards }: Stretch<LeafRequest>): void {
    const { maxQuerierBytesRead } = this.#deps.limits;
    const each = bytes / Math.max(1, shards.length);
    if (maxQuerierBytesRead <= 0 || each <= maxQuerierBytesRead) return;
    throw tooLargeForQuerier(each, maxQuerierBytesRead, shards.length > 0);
  }
}

/** The streams of a leaf, and the time range that it reads. */
function selectionOf(request: LeafRequest): { selector: string; startNs: bigint; endNs: bigint } {
  const expr = parseLeafText(request.expr);
  const selector = printLeaf({ kind: 'log', matchers: logExprOf(expr)?.matchers ?? [], stages: [] });
  if (request.kind === 'log') return { selector, startNs: request.startNs, endNs: request.endNs };
  const { rangeNs, offsetNs } = rangeAggregationOf(expr);
  return {
    selector,
    startNs: request.startNs - offsetNs - rangeNs,
    endNs: request.endNs - offsetNs + 1n,
  };
}

function mixedUp(): LokiError {
  return new LokiError('internal', 'a querier answered another question than the one that it was sent');
}
