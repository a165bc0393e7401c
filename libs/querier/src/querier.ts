import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type {
  HeadAnswer,
  IngesterService,
  LeafRequest,
  LeafResult,
  Logger,
  LogLeafRequest,
  QuerierService,
  StreamsRequest,
  StreamVolume,
  TailFrame,
  Workers,
} from '@loki/ports';
import type { Catalog, HiddenRows, SegmentRef } from '@loki/catalog';
import { leafTask, mergeLeafResults, volumeTask } from '@loki/engine';
import { fnv1a32, LokiError } from '@loki/model';
import { knownKey, KnownStreams } from './known-streams.ts';
import { mergeStreamVolumes, streamsTask } from './streams.ts';
import { leafWindow } from './window.ts';
import type { Window } from './window.ts';

/** Who answers for a partition's head, best first. */
export interface IngesterDirectory {
  /** All partitions that may hold data of the tenant. */
  partitions(tenant: string): readonly number[];
  owners(partition: number): readonly IngesterService[];
}

export interface QuerierDeps {
  readonly ingesters: IngesterDirectory;
  readonly catalog: Catalog;
  readonly workers: Workers;
  readonly logger: Logger;
  /** Deleted and expired entries; absent: there are none. */
  readonly hidden?: HiddenRows;
}

/**
 * Answers leaves from heads and store together, each entry once: it asks an owner of each partition for what lies
 * at or above the committed offset W which that owner reports, then reads committed segments up to W.
 */
export class Querier implements QuerierService {
  readonly #deps: QuerierDeps;
  readonly #known = new KnownStreams();

  constructor(deps: QuerierDeps) {
    this.#deps = deps;
  }

  async runLeaf(asked: LeafRequest, signal?: AbortSignal): Promise<LeafResult> {
    const window = leafWindow(asked);
    const request = this.#deps.hidden?.apply(asked, window) ?? asked;
    const heads = await this.#askHeads(request.tenant, (ingester, partition) =>
      ingester.queryHead(partition, request, signal),
    );
    const segments = await this.#segments(request.tenant, window, heads);
    const headResults = [...heads.values()].map((head) => head.result);
    if (request.kind === 'log' && request.limit > 0) {
      return this.#scanUntilFilled(request, segments, headResults, signal);
    }
    const stored = await Promise.all(segments.map((segment) => this.#scan(request, segment, signal)));
    return mergeLeafResults(request, [...stored, ...headResults]);
  }

  /** Streams with entries in the range, with what they hold there. */
  async streams(request: StreamsRequest, signal?: AbortSignal): Promise<readonly StreamVolume[]> {
    const heads = await this.#askHeads(request.tenant, (ingester, partition) =>
      ingester.headStreams(partition, request, signal),
    );
    const segments = await this.#segments(request.tenant, request, heads);
    const stored = await Promise.all(
      segments.map((segment) => this.#storedStreams(request, segment, signal)),
    );
    const isWhole = segments.map((segment) => knownKey(request, segment) !== undefined);
    const whole = this.#known.merged(stored.filter((_, i) => isWhole[i]));
    const others = [
      ...stored.filter((_, i) => !isWhole[i]),
      ...[...heads.values()].map((head) => head.result),
    ];
    const parts = others.filter((list) => list.length > 0);
    return parts.length === 0 ? whole : mergeStreamVolumes([whole, ...parts]);
  }

  async #storedStreams(
    request: StreamsRequest,
    segment: SegmentRef,
    signal: AbortSignal | undefined,
  ): Promise<readonly StreamVolume[]> {
    const known = knownKey(request, segment);
    const kept = known === undefined ? undefined : this.#known.get(known);
    if (kept) return kept;
    const { key, clip } = segment;
    const options = { affinity: affinityOf(segment), signal };
    const streams = request.volume
      ? await this.#deps.workers.run(
          volumeTask,
          { request, sources: [{ kind: 'object', key, clip }] },
          options,
        )
      : await this.#deps.workers.run(streamsTask, { request, key, clip }, options);
    if (known !== undefined) this.#known.put(known, streams);
    return streams;
  }

  async *tail(asked: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    const partitions = this.#deps.ingesters.partitions(asked.tenant);
    const request = this.#deps.hidden?.apply(asked, leafWindow(asked)) ?? asked;
    const stop = AbortSignal.any([signal]);
    const sources = partitions.map((partition) => this.#ownerOf(partition).tail(partition, request, stop));
    yield* mergeFrames(sources);
  }

  /** One caught-up owner's answer for each partition; the next owner is asked when one fails to answer. */
  async #askHeads<T>(
    tenant: string,
    ask: (ingester: IngesterService, partition: number) => Promise<HeadAnswer<T>>,
  ): Promise<Map<number, HeadAnswer<T>>> {
    const partitions = this.#deps.ingesters.partitions(tenant);
    const answers = await Promise.all(partitions.map((partition) => this.#askHead(partition, ask)));
    return new Map(partitions.map((partition, i) => [partition, answers[i]]));
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
        // What the query itself is to blame for fails the same way everywhere.
        if (!(error instanceof LokiError) || error.code !== 'unavailable') throw error;
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

  /** Committed segments with entries in the window, oldest first, complete up to each head's committed offset. */
  async #segments<T>(
    tenant: string,
    window: Window,
    heads: ReadonlyMap<number, HeadAnswer<T>>,
  ): Promise<readonly SegmentRef[]> {
    const upTo = new Map([...heads].map(([partition, head]) => [partition, head.committedOffset]));
    await Promise.all(
      [...upTo].map(([partition, offset]) => this.#deps.catalog.refreshTo(partition, offset)),
    );
    return this.#deps.catalog.segmentsFor(tenant, window.startNs, window.endNs, upTo);
  }

  #scan(request: LeafRequest, segment: SegmentRef, signal?: AbortSignal): Promise<LeafResult> {
    const { key, clip } = segment;
    const input = { request, sources: [{ kind: 'object' as const, key, clip }] };
    return this.#deps.workers.run(leafTask, input, { affinity: affinityOf(segment), signal });
  }

  /**
   * Log queries with a limit read the store from the end they want, a few segments at a time, and stop when no
   * segment left could hold a better row. Waves double, so that a query which finds little soon uses all workers.
   */
  async #scanUntilFilled(
    request: LogLeafRequest,
    segments: readonly SegmentRef[],
    heads: readonly LeafResult[],
    signal?: AbortSignal,
  ): Promise<LeafResult> {
    const backward = request.direction === 'backward';
    const order = segments.map((segment, age) => ({ segment, age }));
    order.sort((a, b) =>
      backward ? compare(b.segment.maxNs, a.segment.maxNs) : compare(a.segment.minNs, b.segment.minNs),
    );
    const found: { age: number; result: LeafResult }[] = heads.map((result, i) => ({
      age: segments.length + i,
      result,
    }));
    const skippedStats = emptyLeafStats();
    let next = 0;
    let wave = this.#deps.workers.parallelism;
    for (;;) {
      found.sort((a, b) => a.age - b.age);
      const results = found.map((each) => each.result);
      const best = mergeLeafResults(request, results);
      if (best.kind !== 'log') throw new LokiError('internal', 'a log leaf answered with samples');
      while (next < order.length && !couldImprove(best.timestampNs, request, order[next].segment)) {
        skippedStats.segments += 1;
        next += 1;
      }
      if (next === order.length) {
        addLeafStats(best.stats, skippedStats);
        return best;
      }
      const batch = order.slice(next, next + wave);
      next += batch.length;
      wave *= 2;
      const more = await Promise.all(batch.map(({ segment }) => this.#scan(request, segment, signal)));
      more.forEach((result, i) => found.push({ age: batch[i].age, result }));
    }
  }
}

/** Equal timestamps may still sort before the last row found, so only a strictly worse segment is left out. */
function couldImprove(found: BigInt64Array, request: LogLeafRequest, segment: SegmentRef): boolean {
  if (found.length < request.limit) return true;
  const worst = found[found.length - 1];
  return request.direction === 'backward' ? segment.maxNs >= worst : segment.minNs <= worst;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Tasks over one segment go to one worker, which then has its blocks decoded. */
function affinityOf(segment: SegmentRef): number {
  return fnv1a32(segment.key);
}

/** Frames of several partitions as they come, until all have ended; the first when all have begun. */
async function* mergeFrames(sources: readonly AsyncIterable<TailFrame>[]): AsyncIterable<TailFrame> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    const begun = await Promise.all(iterators.map((iterator) => iterator.next()));
    const first = begun.find((each) => !each.done);
    if (first) yield first.value;
    const open = [...iterators.keys()].filter((i) => !begun[i].done);
    const pending = new Map(open.map((i) => [i, nextOf(iterators[i], i)]));
    while (pending.size > 0) {
      const { i, result } = await Promise.race(pending.values());
      if (result.done) {
        pending.delete(i);
        continue;
      }
      pending.set(i, nextOf(iterators[i], i));
      yield result.value;
    }
  } finally {
    await Promise.allSettled(iterators.map(async (iterator) => iterator.return?.()));
  }
}

async function nextOf(iterator: AsyncIterator<TailFrame>, i: number) {
  return { i, result: await iterator.next() };
}
