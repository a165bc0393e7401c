/** One part of a query over heads and store, each entry once: steps *select* to *merge* of a query. */
import type { Catalog, HiddenRows, SegmentRef } from '@loki/catalog';
import { mergeAsTheyCome, mergeLeafResults, QueryThread, resultBytes } from '@loki/engine';
import type { Work } from '@loki/engine';
import type { TenantId } from '@loki/model';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type {
  LeafRequest,
  LeafResult,
  Logger,
  LogLeafRequest,
  PartitionHead,
  QuerierService,
  SampleLeafResult,
  StoredBytesRequest,
  StreamsRequest,
  StreamVolume,
  TailFrame,
  Timers,
  Workers,
} from '@loki/ports';
import { cachedSamples } from './cached-samples.ts';
import { EmptyIntervals } from './empty-intervals.ts';
import { KeptResults } from './kept-results.ts';
import type { KeptAnswers, ResultsCaches } from './kept-results.ts';
import { mergeFrames } from './merge-frames.ts';
import { bareHeads, PartitionHeads } from './partition-heads.ts';
import type { HeadAnswers, HeadQuestion, PartitionOwners } from './partition-heads.ts';
import { scanUntilFilled } from './scan-logs.ts';
import { SegmentScans } from './segment-scans.ts';
import { SegmentStreams } from './segment-streams.ts';
import { bytesByInterval } from './stored-bytes.ts';
import { leafWindow } from './window.ts';
import type { Window } from './window.ts';

/** Messages of one leaf in the queue of a worker: it computes on some segments while others are fetched. */
const messagesPerWorker = 2;
/** Segments that are opened before their scans, at most twice as many. */
const openedAhead = 32;

export interface QuerierDeps {
  readonly ingesters: PartitionOwners;
  readonly catalog: Catalog;
  readonly workers: Workers;
  readonly logger: Logger;
  /** Absent: frames of a tail wait without a deadline. */
  readonly timers?: Timers;
  /** Thread on which results are merged; absent: the querier has the thread alone. */
  readonly queryThread?: QueryThread;
  /** The store is far away: segments are opened before their scans. Default: false. */
  readonly opensAhead?: boolean;
  /** Deleted and expired entries; absent: no deletes and no retention. */
  readonly hidden?: HiddenRows;
  /** Cache of answers from the store; absent: no cache. */
  readonly caches?: ResultsCaches;
  /**
   * Half an answer, if configured (`querier.query_store_only`, `query_ingester_only`): stored rows of the
   * catalog without heads, or rows of heads without the store. Absent: both, each entry once.
   */
  readonly reads?: 'store' | 'heads';
}

/**
 * Answers leaves from heads and store together, each entry once: an owner of each partition returns the rows
 * at or above its committed offset W, then committed segments are read up to W.
 */
export class Querier implements QuerierService {
  readonly #deps: QuerierDeps;
  readonly #thread: QueryThread;
  readonly #heads: PartitionHeads;
  readonly #scans: SegmentScans;
  readonly #streams: SegmentStreams;
  readonly #results: KeptResults;

  constructor(deps: QuerierDeps) {
    this.#deps = deps;
    this.#thread = deps.queryThread ?? new QueryThread();
    this.#heads = new PartitionHeads(deps.ingesters, deps.logger);
    this.#scans = new SegmentScans({ ...deps, thread: this.#thread });
    this.#streams = new SegmentStreams(this.#scans);
    this.#results = new KeptResults(deps.caches);
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
    { cache, heads, ...request }: LeafRequest,
    window: Window,
    signal: AbortSignal | undefined,
  ): Promise<LeafResult> {
    const { tenant } = request;
    const memory = this.#thread.memory.open();
    try {
      const ask: HeadQuestion<LeafResult> = async (ingester, partition) => {
        const head = await ingester.queryHead(partition, request, signal);
        memory.charge(await this.#complete(resultBytes(head.result), signal));
        return head;
      };
      const answers = await this.#askHeads({ tenant, heads }, window.endNs, ask, signal);
      return await this.#merged({ cache, ...request }, window, answers, signal);
    } finally {
      memory.close();
    }
  }

  /** Heads' answers with the stored rows below them. */
  async #merged(
    { cache, ...request }: LeafRequest,
    window: Window,
    heads: HeadAnswers<LeafResult>,
    signal: AbortSignal | undefined,
  ): Promise<LeafResult> {
    const segments = await this.#segments(request.tenant, window, heads.upTo);
    const headResults = heads.results;
    const from = this.#results.of(cache, request.tenant);
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

  /** Slices of work on this thread, which end when the caller aborts. */
  #complete<T>(work: Work<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#thread.complete(work, () => signal?.throwIfAborted());
  }

  /** The rows of the segments, given oldest first. */
  #scanAll(request: LeafRequest, segments: readonly SegmentRef[], signal?: AbortSignal): Promise<LeafResult> {
    const batches = this.#scans.batches(request, segments);
    const atOnce = messagesPerWorker * this.#deps.workers.parallelism;
    const openedBatches = Math.ceil(openedAhead / Math.max(1, batches[0]?.segments.length ?? 1));
    return mergeAsTheyCome(
      request,
      batches.map(({ parts }) => parts),
      (i, stop) => {
        // The first segments are opened by their scans.
        if (i % openedBatches === 0) {
          const next = batches.slice(Math.max(i, atOnce), i + 2 * openedBatches);
          const unread = next.flatMap((batch) => batch.unread);
          this.#scans.open(request, unread, stop);
        }
        return this.#scans.scan(request, batches[i], stop);
      },
      { atOnce, thread: this.#thread, signal },
    );
  }

  async #runLog(
    request: LogLeafRequest,
    segments: readonly SegmentRef[],
    {
      heads,
      from,
      signal,
    }: { heads: readonly LeafResult[]; from: KeptAnswers | undefined; signal?: AbortSignal },
  ): Promise<LeafResult> {
    const stats = emptyLeafStats();
    const empty = from && (await EmptyIntervals.lookUp(request, segments, from, stats));
    const { result, storedTimes, read } = await scanUntilFilled(request, {
      segments,
      windows: empty?.windows ?? [{ startNs: request.startNs, endNs: request.endNs }],
      heads,
      parallelism: this.#deps.workers.parallelism,
      openAhead: (next) => this.#scans.openAhead(request, next, signal),
      scan: (pieces) => this.#scans.logs(request, pieces, signal),
      complete: (work) => this.#complete(work, signal),
    });
    empty?.learn(storedTimes, read, stats);
    addLeafStats(result.stats, stats);
    return result;
  }

  /** Streams with entries in the range, and their volume in it. */
  async streams(
    { cache, heads, ...request }: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<readonly StreamVolume[]> {
    const { tenant, endNs } = request;
    const ask: HeadQuestion<readonly StreamVolume[]> = (ingester, partition) =>
      ingester.headStreams(partition, request, signal);
    const { upTo, results } = await this.#askHeads({ tenant, heads }, endNs, ask, signal);
    const segments = await this.#segments(tenant, request, upTo);
    const keptAnswers = this.#results.of(cache, tenant);
    const complete = <T>(work: Work<T>) => this.#complete(work, signal);
    return this.#streams.withHeads({ request, keptAnswers, signal, complete }, segments, results);
  }

  /** Line bytes of the tenant in the store by interval, by the catalog that was read last. */
  async storedBytes(request: StoredBytesRequest): Promise<readonly number[]> {
    const { tenant, startNs, endNs } = request;
    return Promise.resolve(bytesByInterval(this.#deps.catalog.segmentsFor(tenant, startNs, endNs), request));
  }

  async heads(tenant: TenantId, signal?: AbortSignal): Promise<readonly PartitionHead[]> {
    return this.#deps.reads === 'store' ? [] : this.#heads.bounds(tenant, signal);
  }

  async *tail(leaf: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    await this.#deps.hidden?.current(signal).catch((error: unknown) => {
      // No delete applies to lines from now on: tails continue without the store.
      this.#deps.logger.warn('a tail may begin with deleted entries', { err: String(error) });
    });
    const request = this.#deps.hidden?.apply(leaf, leafWindow(leaf)) ?? leaf;
    const stop = AbortSignal.any([signal]);
    yield* mergeFrames(await this.#heads.follow(request, stop), this.#deps.timers);
  }

  /** Answers of the heads that may have rows of the question; none when only the store is read. */
  async #askHeads<T>(
    { tenant, heads = [] }: Pick<LeafRequest, 'tenant' | 'heads'>,
    endNs: bigint,
    ask: HeadQuestion<T>,
    signal: AbortSignal | undefined,
  ): Promise<HeadAnswers<T>> {
    if (this.#deps.reads === 'store') return { upTo: new Map(), results: [] };
    return this.#heads.ask(tenant, { bare: bareHeads(heads, endNs), signal }, ask);
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
}
