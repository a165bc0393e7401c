/** One part of a query over heads and store, each entry once: steps *select* to *merge* of a query. */
import type { Catalog, HiddenRows, SegmentRef } from '@loki/catalog';
import {
  leafTask,
  mergeAsTheyCome,
  mergeLeafResults,
  mergeStreamVolumes,
  packedBytes,
  QueryThread,
  resultBytes,
  streamsTask,
  unpackLeafResult,
  unpackStreams,
  volumeTask,
} from '@loki/engine';
import type { PackedLeafResult, Work } from '@loki/engine';
import { LokiError } from '@loki/model';
import type { ErrorCode, TenantId } from '@loki/model';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type {
  CachePolicy,
  Clock,
  HeadAnswer,
  IngesterService,
  LeafRequest,
  LeafResult,
  Logger,
  LogLeafRequest,
  PartitionHead,
  QuerierService,
  ResultsCache,
  ResultsKind,
  SampleLeafResult,
  StoredBytesRequest,
  StreamsRequest,
  StreamVolume,
  TailFrame,
  Task,
  Timers,
  Workers,
} from '@loki/ports';
import { addMeasuredSpan, withSpan } from '@loki/telemetry';
import { cachedSamples } from './cached-samples.ts';
import { cachedStreams } from './cached-streams.ts';
import { CheckedResultsCache } from './checked-results-cache.ts';
import { EmptyIntervals } from './empty-intervals.ts';
import { mergeFrames } from './merge-frames.ts';
import { scanUntilFilled } from './scan-logs.ts';
import { holdsWhole, segmentStreamsKey, SegmentStreamsCache } from './segment-streams-cache.ts';
import { SegmentThreads } from './segment-threads.ts';
import { bytesByInterval } from './stored-bytes.ts';
import { leafWindow } from './window.ts';
import type { Window } from './window.ts';

/**
 * Segments of one leaf that a worker has before it: it computes on one while it waits for others to be
 * fetched.
 */
const scansPerWorker = 4;

/** The owners of a partition's head, best first. */
export interface PartitionOwners {
  /** All partitions that may hold data of the tenant. */
  partitions(tenant: string): readonly number[];
  /**
   * Waits until partitions that were added are known; undefined: they are. An answer without one would lack
   * lines. Absent: their number never changes.
   */
  current?(signal?: AbortSignal): Promise<void> | undefined;
  owners(partition: number): readonly IngesterService[];
  /** Follows a partition from owner to owner; absent: its owner never changes. */
  follow?(partition: number, request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame>;
}

export interface QuerierDeps {
  readonly ingesters: PartitionOwners;
  readonly catalog: Catalog;
  readonly workers: Workers;
  readonly logger: Logger;
  /** Absent: frames of a tail wait for as long as its reader lets them. */
  readonly timers?: Timers;
  /** Where results are merged; absent: the querier is alone on it. */
  readonly queryThread?: QueryThread;
  /** Deleted and expired entries; absent: there are none. */
  readonly hidden?: HiddenRows;
  /** Where answers from the store are kept; absent: nowhere. */
  readonly caches?: ResultsCaches;
  /**
   * Half an answer, where an operator wants just that (`querier.query_store_only`, `query_ingester_only`):
   * what the catalog knows to be stored, without asking heads; or what heads hold, without the store. Absent:
   * both, each entry once.
   */
  readonly reads?: 'store' | 'heads';
}

/** The caches of a querier's results, by kind of question. */
export interface ResultsCaches {
  /** A kind without a cache is computed each time. */
  readonly byKind: ReadonlyMap<ResultsKind, ResultsCache>;
  /** Raised for a tenant whose kept answers are to be forgotten. */
  readonly generation: (tenant: string) => number;
  readonly clock: Clock;
}

/**
 * Answers leaves from heads and store together, each entry once: it asks an owner of each partition for what
 * lies at or above the committed offset W which that owner reports, then reads committed segments up to W.
 */
export class Querier implements QuerierService {
  readonly #deps: QuerierDeps;
  readonly #thread: QueryThread;
  readonly #segmentStreams = new SegmentStreamsCache();
  readonly #segmentThreads: SegmentThreads;

  readonly #results: ReadonlyMap<ResultsKind, CheckedResultsCache>;

  constructor(deps: QuerierDeps) {
    this.#deps = deps;
    this.#thread = deps.queryThread ?? new QueryThread();
    this.#segmentThreads = new SegmentThreads(deps.workers.parallelism);
    this.#results = new Map(
      [...(deps.caches?.byKind ?? [])].map(([kind, cache]) => [
        kind,
        new CheckedResultsCache(cache, deps.caches!.clock),
      ]),
    );
  }

  async runLeaf(request: LeafRequest, signal?: AbortSignal): Promise<LeafResult> {
    const { hidden, reads } = this.#deps;
    const window = leafWindow(request);
    if (!hidden) return this.#answer(request, window, signal);
    if (reads === 'heads') return this.#answerHeads(request, window, hidden, signal);
    return hidden.applied(
      request.tenant,
      (until) => this.#answer(hidden.apply(request, window), window, until),
      signal,
    );
  }

  /** Answers from heads without the store: deletes as last read from the store apply. */
  async #answerHeads(
    request: LeafRequest,
    window: Window,
    hidden: HiddenRows,
    signal: AbortSignal | undefined,
  ): Promise<LeafResult> {
    await hidden.current(signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      this.#deps.logger.warn('queries of heads may return deleted entries', { err: String(error) });
    });
    return this.#answer(hidden.apply(request, window), window, signal);
  }

  /** Answers a leaf that already excludes deleted and expired rows. */
  async #answer(
    { cache, heads: bounds = [], ...request }: LeafRequest,
    window: Window,
    signal: AbortSignal | undefined,
  ): Promise<LeafResult> {
    const memory = this.#thread.memory.open();
    try {
      const bare = bareHeads(bounds, window.endNs);
      const heads = await this.#askHeads(request.tenant, { bare, signal }, async (ingester, partition) => {
        const head = await ingester.queryHead(partition, request, signal);
        memory.charge(await this.#complete(resultBytes(head.result), signal));
        return head;
      });
      return await this.#merged({ cache, ...request }, window, heads, signal);
    } finally {
      memory.close();
    }
  }

  /** Heads' answers with what the store has below them. */
  async #merged(
    { cache, ...request }: LeafRequest,
    window: Window,
    heads: Heads<LeafResult>,
    signal: AbortSignal | undefined,
  ): Promise<LeafResult> {
    const segments = await this.#segments(request.tenant, window, heads.upTo);
    const headResults = heads.results;
    const results = cache && this.#results.get(cache.kind);
    const from = results && { results, policy: cache, generation: this.#generation(request.tenant) };
    if (request.kind === 'log' && request.limit > 0) {
      return this.#runLog(request, segments, { heads: headResults, from, signal });
    }
    const storedResult =
      request.kind === 'samples' && from
        ? [
            await cachedSamples(request, segments, {
              ...from,
              complete: (work) => this.#complete(work, signal),
              scan: async (part, of) => (await this.#scanAll(part, of, signal)) as SampleLeafResult,
            }),
          ]
        : [await this.#scanAll(request, segments, signal)];
    return this.#complete(
      mergeLeafResults(request, [...storedResult, ...headResults], this.#thread.memory),
      signal,
    );
  }

  /** Work of this thread, which ends when its caller has gone. */
  #complete<T>(work: Work<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#thread.complete(work, () => signal?.throwIfAborted());
  }

  /** The rows of the segments, given oldest first. */
  #scanAll(request: LeafRequest, segments: readonly SegmentRef[], signal?: AbortSignal): Promise<LeafResult> {
    return mergeAsTheyCome(request, segments.length, (i, stop) => this.#scan(request, segments[i], stop), {
      atOnce: scansPerWorker * this.#deps.workers.parallelism,
      thread: this.#thread,
      signal,
    });
  }

  async #runLog(
    request: LogLeafRequest,
    segments: readonly SegmentRef[],
    { heads, from, signal }: { heads: readonly LeafResult[]; from: Cached | undefined; signal?: AbortSignal },
  ): Promise<LeafResult> {
    const stats = emptyLeafStats();
    const empty = from && (await EmptyIntervals.lookUp(request, segments, from, stats));
    const { result, storedTimes, read } = await scanUntilFilled(request, {
      segments,
      windows: empty?.windows ?? [{ startNs: request.startNs, endNs: request.endNs }],
      heads,
      parallelism: this.#deps.workers.parallelism,
      scan: async (part, segment) => this.#unpacked(await this.#scan(part, segment, signal), signal),
      complete: (work) => this.#complete(work, signal),
    });
    empty?.learn(storedTimes, read, stats);
    addLeafStats(result.stats, stats);
    return result;
  }

  /** Streams with entries in the range, with what they hold there. */
  async streams(
    { cache, heads: bounds = [], ...request }: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<readonly StreamVolume[]> {
    const bare = bareHeads(bounds, request.endNs);
    const heads = await this.#askHeads(request.tenant, { bare, signal }, (ingester, partition) =>
      ingester.headStreams(partition, request, signal),
    );
    const segments = await this.#segments(request.tenant, request, heads.upTo);
    const storedLists = await this.#storedLists(request, cache, segments, signal);
    const isWhole = segments.map((segment) => holdsWhole(request, segment));
    const complete = await this.#complete(
      this.#segmentStreams.merged(storedLists.filter((_, i) => isWhole[i])),
      signal,
    );
    const partial = [...storedLists.filter((_, i) => !isWhole[i]), ...heads.results];
    const parts = partial.filter((list) => list.length > 0);
    // The streams of one head, each once and counted whole.
    if (complete.length === 0 && parts.length === 1 && heads.results.includes(parts[0])) return parts[0];
    return parts.length === 0 ? complete : this.#complete(mergeStreamVolumes([complete, ...parts]), signal);
  }

  /** Line bytes of the tenant in the store by interval, as far as the catalog knows. */
  async storedBytes(request: StoredBytesRequest): Promise<readonly number[]> {
    const { tenant, startNs, endNs } = request;
    return Promise.resolve(bytesByInterval(this.#deps.catalog.segmentsFor(tenant, startNs, endNs), request));
  }

  #storedLists(
    request: StreamsRequest,
    cache: CachePolicy | undefined,
    segments: readonly SegmentRef[],
    signal: AbortSignal | undefined,
  ): Promise<(readonly StreamVolume[])[]> {
    const scan = (segment: SegmentRef) => this.#storedStreams(request, segment, signal);
    const results = cache && this.#results.get(cache.kind);
    if (!results) return Promise.all(segments.map(scan));
    return cachedStreams(request, segments, {
      results,
      policy: cache,
      generation: this.#generation(request.tenant),
      segmentStreams: this.#segmentStreams,
      scan,
      complete: (work) => this.#complete(work, signal),
    });
  }

  async #storedStreams(
    request: StreamsRequest,
    segment: SegmentRef,
    signal: AbortSignal | undefined,
  ): Promise<readonly StreamVolume[]> {
    const cacheKey = segmentStreamsKey(request, segment);
    const cached = cacheKey === undefined ? undefined : this.#segmentStreams.get(cacheKey);
    if (cached) return cached;
    const { key, clip } = segment;
    const sources = [{ kind: 'object' as const, key, clip }];
    const streams = request.volume
      ? await this.#onWorker(volumeTask, { request, sources }, segment, signal)
      : await this.#complete(
          unpackStreams(await this.#onWorker(streamsTask, { request, key, clip }, segment, signal)),
          signal,
        );
    if (cacheKey !== undefined) this.#segmentStreams.put(cacheKey, streams);
    return streams;
  }

  async heads(tenant: TenantId, signal?: AbortSignal): Promise<readonly PartitionHead[]> {
    const { ingesters, logger, reads } = this.#deps;
    if (reads === 'store') return [];
    await ingesters.current?.(signal);
    const byOwner = new Map<IngesterService, number[]>();
    for (const partition of ingesters.partitions(tenant)) {
      const owner = ingesters.owners(partition)[0];
      if (!owner?.headBounds) continue;
      const partitions = byOwner.get(owner);
      if (partitions) partitions.push(partition);
      else byOwner.set(owner, [partition]);
    }
    const answers = [...byOwner].map(async ([owner, partitions]) => {
      try {
        return await owner.headBounds!(partitions, tenant, signal);
      } catch (error) {
        signal?.throwIfAborted();
        // Each part of the query asks these heads, and then other owners of them.
        logger.debug('an owner does not state the bounds of its heads', { err: String(error) });
        return [];
      }
    });
    return (await Promise.all(answers)).flat();
  }

  async *tail(leaf: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    await this.#deps.ingesters.current?.(signal);
    const partitions = this.#deps.ingesters.partitions(leaf.tenant);
    await this.#deps.hidden?.current(signal).catch((error: unknown) => {
      // Lines from now on concern no delete: following streams goes on without the store.
      this.#deps.logger.warn('a tail may begin with deleted entries', { err: String(error) });
    });
    const request = this.#deps.hidden?.apply(leaf, leafWindow(leaf)) ?? leaf;
    const stop = AbortSignal.any([signal]);
    const { ingesters } = this.#deps;
    const sources = partitions.map(
      (partition) =>
        ingesters.follow?.(partition, request, stop) ??
        this.#ownerOf(partition).tail(partition, request, stop),
    );
    yield* mergeFrames(sources, this.#deps.timers);
  }

  /**
   * One caught-up owner's answer for each partition; the next owner is asked when one fails to answer.
   *
   * @param bare heads without rows of the question: they are not asked
   */
  async #askHeads<T>(
    tenant: TenantId,
    { bare, signal }: { bare: readonly PartitionHead[]; signal?: AbortSignal },
    ask: (ingester: IngesterService, partition: number) => Promise<HeadAnswer<T>>,
  ): Promise<Heads<T>> {
    if (this.#deps.reads === 'store') return { upTo: new Map(), results: [] };
    const { ingesters } = this.#deps;
    const upTo = new Map(bare.map(({ partition, committedOffset }) => [partition, committedOffset]));
    const results: T[] = [];
    const askOthers = async (): Promise<void> => {
      const partitions = ingesters.partitions(tenant).filter((partition) => !upTo.has(partition));
      const answers = await Promise.all(partitions.map((partition) => this.#askHead(partition, ask)));
      for (const [i, partition] of partitions.entries()) upTo.set(partition, answers[i].committedOffset);
      results.push(...answers.map(({ result }) => result));
    };
    // The store is asked meanwhile whether there are more partitions: mostly there are none.
    const current = ingesters.current?.(signal);
    await Promise.all([current, askOthers()]);
    if (current) await askOthers();
    return { upTo, results };
  }

  async #askHead<T>(
    partition: number,
    ask: (ingester: IngesterService, partition: number) => Promise<HeadAnswer<T>>,
  ): Promise<HeadAnswer<T>> {
    let failure: unknown = new LokiError(
      'unavailable',
      `partition ${partition} has no owner that could answer`,
    );
    for (const ingester of this.#deps.ingesters.owners(partition)) {
      try {
        return await ask(ingester, partition);
      } catch (error) {
        // A fault of the query itself fails the same way everywhere.
        if (!(error instanceof LokiError) || !ownersFaults.has(error.code)) throw error;
        this.#deps.logger.warn('an owner did not answer for its partition', {
          partition,
          err: error.message,
        });
        failure = error;
      }
    }
    throw failure;
  }

  #ownerOf(partition: number): IngesterService {
    const owner = this.#deps.ingesters.owners(partition)[0];
    if (!owner) throw new LokiError('unavailable', `partition ${partition} has no owner that could answer`);
    return owner;
  }

  /**
   * Committed segments with entries in the window, oldest first, complete up to each head's committed offset.
   */
  async #segments(
    tenant: TenantId,
    window: Window,
    upTo: ReadonlyMap<number, number>,
  ): Promise<readonly SegmentRef[]> {
    const { reads, catalog } = this.#deps;
    if (reads === 'heads') return [];
    if (reads === 'store') return catalog.segmentsFor(tenant, window.startNs, window.endNs);
    await Promise.all([...upTo].map(([partition, offset]) => catalog.refreshTo(partition, offset)));
    return catalog.segmentsFor(tenant, window.startNs, window.endNs, upTo);
  }

  async #unpacked(packed: PackedLeafResult, signal: AbortSignal | undefined): Promise<LeafResult> {
    const memory = this.#thread.memory.open();
    try {
      memory.charge(packedBytes(packed));
      return await this.#complete(unpackLeafResult(packed, memory), signal);
    } finally {
      memory.close();
    }
  }

  #scan(request: LeafRequest, segment: SegmentRef, signal?: AbortSignal): Promise<PackedLeafResult> {
    const { key, clip } = segment;
    const input = { request, sources: [{ kind: 'object' as const, key, clip }] };
    return withSpan(
      'scan',
      { 'loki.tenant': request.tenant, 'loki.segment': key },
      async () => {
        const result = await this.#onWorker(leafTask, input, segment, signal);
        const { fetchMs, compressedBytes } = result.stats;
        if (fetchMs > 0) {
          const attributes = { 'loki.tenant': request.tenant, 'loki.stored_bytes': compressedBytes };
          addMeasuredSpan('store fetch', attributes, fetchMs);
        }
        return result;
      },
      ({ stats }) => ({ 'loki.bytes': stats.lineBytes, 'loki.lines': stats.linesProcessed }),
    );
  }

  async #onWorker<Input extends { readonly request: { readonly tenant: string } }, Output>(
    task: Task<Input, Output>,
    input: Input,
    segment: SegmentRef,
    signal: AbortSignal | undefined,
  ): Promise<Output> {
    try {
      const { tenant } = input.request;
      return await this.#deps.workers.run(task, input, {
        affinity: this.#segmentThreads.of(segment),
        signal,
        tenant,
      });
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'notFound') throw error;
      const isNamed = await this.#isNamed(input.request.tenant, segment, signal);
      // Named by the catalog and not in the store: data is missing, which is no fault of the question. A
      // segment that was removed since this process read the catalog has been replaced: a repeated question
      // finds that.
      const code = isNamed ? 'corrupt' : 'unavailable';
      throw new LokiError(code, `segment ${segment.key} is not in the store`, { cause: error });
    }
  }

  /** Whether the catalog, as it stands in the store now, names a segment. */
  async #isNamed(tenant: string, segment: SegmentRef, signal: AbortSignal | undefined): Promise<boolean> {
    const { catalog } = this.#deps;
    const { key, partition, minNs, maxNs } = segment;
    await catalog.refreshSome([partition], signal);
    await catalog.refreshCompactions(signal);
    return catalog.segmentsFor(tenant, minNs, maxNs + 1n).some((each) => each.key === key);
  }

  #generation(tenant: string): number {
    return this.#deps.caches?.generation(tenant) ?? 0;
  }
}

/** Answers of a tenant's heads to one question. */
interface Heads<T> {
  /** Committed offsets by partition. */
  readonly upTo: ReadonlyMap<number, number>;
  readonly results: readonly T[];
}

/** Answers that are kept, for one question. */
interface Cached {
  readonly results: CheckedResultsCache;
  readonly policy: CachePolicy;
  readonly generation: number;
}

/** Faults from which another owner of the partition may not suffer. */
const ownersFaults: ReadonlySet<ErrorCode> = new Set([
  'unavailable',
  'overloaded',
  'internal',
  'corrupt',
  'timeout',
]);

/**
 * Heads whose rows are all younger have nothing of a question: all that they lack is in the store below W.
 */
function bareHeads(bounds: readonly PartitionHead[], endNs: bigint): PartitionHead[] {
  return bounds.filter(({ oldestNs }) => oldestNs === undefined || oldestNs >= endNs);
}
