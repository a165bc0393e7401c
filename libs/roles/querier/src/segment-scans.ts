/** Scans committed segments on worker threads: step *fetch, scan* of a query. */
import type { Catalog, SegmentRef } from '@loki/catalog';
import {
  leavesTask,
  openTask,
  packedBytes,
  streamsTask,
  unpackLeafResult,
  unpackStreams,
  volumeTask,
} from '@loki/engine';
import type { PackedLeafResult, QueryThread } from '@loki/engine';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type {
  LeafRequest,
  LeafResult,
  LogLeafRequest,
  StreamsRequest,
  StreamVolume,
  Task,
  Workers,
} from '@loki/ports';
import { addMeasuredSpan, withSpan } from '@loki/telemetry';
import { indexBatches, segmentBatches } from './segment-batches.ts';
import type { SegmentBatch } from './segment-batches.ts';
import { SegmentThreads } from './segment-threads.ts';
import type { Window } from './window.ts';

interface SegmentScansDeps {
  readonly catalog: Catalog;
  readonly workers: Workers;
  /** Thread on which results are unpacked. */
  readonly thread: QueryThread;
  /** The store is far away: segments are opened before their scans. */
  readonly opensAhead?: boolean;
}

/** A segment, and the time of its rows that a log query reads. */
export interface LogPiece {
  readonly segment: SegmentRef;
  readonly window: Window;
}

type LeavesInput = Parameters<typeof leavesTask.run>[0];
type LeavesOutput = Awaited<ReturnType<typeof leavesTask.run>>;

/** Reads segments, each on the thread that has its blocks. */
export class SegmentScans {
  readonly #deps: SegmentScansDeps;
  readonly #threads: SegmentThreads;

  constructor(deps: SegmentScansDeps) {
    this.#deps = deps;
    this.#threads = new SegmentThreads(deps.workers.parallelism);
  }

  /** Whether segments are opened before their scans. */
  get opensAhead(): boolean {
    return this.#deps.opensAhead ?? false;
  }

  /**
   * Begins to read the footers of segments that no thread has read, many at a time, while scans of the first
   * ones run: a thread scans four segments at a time, and each would wait for its own footer. Without effect
   * on a near store.
   *
   * @param request `expr` is that of the scans that follow; absent: only the segments' streams are needed
   */
  openAhead(
    { tenant, expr }: { readonly tenant: TenantId; readonly expr?: string },
    segments: readonly SegmentRef[],
    signal?: AbortSignal,
  ): void {
    if (!this.opensAhead) return;
    this.open(
      { tenant, expr },
      segments.filter((segment) => !this.#threads.has(segment)),
      signal,
    );
  }

  /** The same for all the segments. */
  open(
    { tenant, expr }: { readonly tenant: TenantId; readonly expr?: string },
    segments: readonly SegmentRef[],
    signal?: AbortSignal,
  ): void {
    if (!this.opensAhead) return;
    const byThread = new Map<number, string[]>();
    for (const segment of segments) {
      const thread = this.#threads.of(segment);
      const keys = byThread.get(thread);
      if (keys) keys.push(segment.key);
      else byThread.set(thread, [segment.key]);
    }
    for (const [affinity, keys] of byThread) {
      const input = { request: { tenant, expr }, keys };
      // The scan of a segment reports a failure.
      this.#deps.workers.run(openTask, input, { affinity, signal, tenant }).catch(() => undefined);
    }
  }

  /**
   * Divides segments, given oldest first, into batches; `scan` reads each with one message to its thread.
   * Batches know which of their segments no thread has read.
   */
  batches(
    request: LeafRequest,
    segments: readonly SegmentRef[],
  ): (SegmentBatch & { readonly unread: readonly SegmentRef[] })[] {
    const unread = new Set(segments.filter((segment) => !this.#threads.has(segment)));
    return segmentBatches(request, segments, (segment) => this.#threads.of(segment)).map((batch) => ({
      ...batch,
      unread: batch.segments.filter((segment) => unread.has(segment)),
    }));
  }

  /** The rows of a leaf in the segments of a batch: a result for each of its parts. */
  async scan(
    request: LeafRequest,
    { segments, parts }: SegmentBatch,
    signal?: AbortSignal,
  ): Promise<readonly PackedLeafResult[]> {
    const sources = segments.map(sourceOf);
    const leaves = parts.length === 1 ? [{ sources }] : sources.map((source) => ({ sources: [source] }));
    return this.#leaves({ request, leaves }, segments, signal);
  }

  /** The rows of a log leaf in pieces of segments, unpacked: a result for each piece. */
  async logs(
    request: LogLeafRequest,
    pieces: readonly LogPiece[],
    signal?: AbortSignal,
  ): Promise<LeafResult[]> {
    const batches = indexBatches(pieces, ({ segment }) => this.#threads.of(segment));
    const results: LeafResult[] = [];
    const run = async (indexes: readonly number[]) => {
      const segments = indexes.map((index) => pieces[index].segment);
      const leaves = indexes.map((index) => ({
        window: pieces[index].window,
        sources: [sourceOf(pieces[index].segment)],
      }));
      const packed = await this.#leaves({ request, leaves }, segments, signal);
      const unpacked = await this.#unpack(packed, signal);
      indexes.forEach((index, i) => (results[index] = unpacked[i]));
    };
    await Promise.all(batches.map(run));
    return results;
  }

  async #unpack(packed: readonly PackedLeafResult[], signal?: AbortSignal): Promise<LeafResult[]> {
    const { thread } = this.#deps;
    const memory = thread.memory.open();
    try {
      for (const each of packed) memory.charge(packedBytes(each));
      const results: LeafResult[] = [];
      for (const each of packed) {
        results.push(await thread.complete(unpackLeafResult(each, memory), () => signal?.throwIfAborted()));
      }
      return results;
    } finally {
      memory.close();
    }
  }

  /** One message: leaves over the segments, in the same order, each with one segment or one with all. */
  #leaves(
    input: LeavesInput,
    segments: readonly SegmentRef[],
    signal: AbortSignal | undefined,
  ): Promise<readonly PackedLeafResult[]> {
    const { tenant } = input.request;
    const place =
      segments.length === 1 ? { 'loki.segment': segments[0].key } : { 'loki.segments': segments.length };
    return withSpan(
      'scan',
      { 'loki.tenant': tenant, ...place },
      async () => {
        const { results, costs } = await this.#onWorker(leavesTask, input, segments, signal);
        addSpans(tenant, segments, costs);
        return results;
      },
      (results) => ({
        'loki.bytes': results.reduce((sum, { stats }) => sum + stats.lineBytes, 0),
        'loki.lines': results.reduce((sum, { stats }) => sum + stats.linesProcessed, 0),
      }),
    );
  }

  /** The streams of one segment, and their volume in the range. */
  async streams(
    request: StreamsRequest,
    segment: SegmentRef,
    signal?: AbortSignal,
  ): Promise<readonly StreamVolume[]> {
    const { key, clip } = segment;
    if (request.volume) {
      const sources = [{ kind: 'object' as const, key, clip }];
      return this.#onWorker(volumeTask, { request, sources }, [segment], signal);
    }
    const packed = await this.#onWorker(streamsTask, { request, key, clip }, [segment], signal);
    return this.#deps.thread.complete(unpackStreams(packed), () => signal?.throwIfAborted());
  }

  async #onWorker<Input extends { readonly request: { readonly tenant: string } }, Output>(
    task: Task<Input, Output>,
    input: Input,
    segments: readonly SegmentRef[],
    signal: AbortSignal | undefined,
  ): Promise<Output> {
    const { tenant } = input.request;
    try {
      return await this.#deps.workers.run(task, input, {
        affinity: this.#threads.of(segments[0]),
        signal,
        tenant,
      });
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'notFound') throw error;
      const segment = segments.find(({ key }) => error.message.includes(key)) ?? segments[0];
      const isNamed = await this.#isNamed(tenant, segment, signal);
      // The catalog names a segment that the store lacks: data is missing, and the request is not at fault. A
      // segment that was removed after this process read the catalog has been replaced: a repeated request
      // reads the replacement.
      const code = isNamed ? 'corrupt' : 'unavailable';
      throw new LokiError(code, `segment ${segment.key} is not in the store`, { cause: error });
    }
  }

  /** Whether the catalog in the store, read again, names a segment. */
  async #isNamed(tenant: string, segment: SegmentRef, signal: AbortSignal | undefined): Promise<boolean> {
    const { catalog } = this.#deps;
    const { key, partition, minNs, maxNs } = segment;
    await catalog.refreshSome([partition], signal);
    await catalog.refreshCompactions(signal);
    return catalog.segmentsFor(tenant, minNs, maxNs + 1n).some((each) => each.key === key);
  }
}

function sourceOf({ key, clip }: SegmentRef) {
  return { kind: 'object' as const, key, clip };
}

/** Adds the spans of a scan: its time in the store, and one for each of several segments. */
function addSpans(tenant: string, segments: readonly SegmentRef[], costs: LeavesOutput['costs']): void {
  costs.forEach(({ lines, lineBytes, fetchMs, storedBytes, startMs, durationMs }, i) => {
    const segment = { 'loki.tenant': tenant, 'loki.segment': segments[i].key };
    if (segments.length > 1) {
      const attributes = { ...segment, 'loki.bytes': lineBytes, 'loki.lines': lines };
      addMeasuredSpan('segment', attributes, { durationMs, afterMs: startMs });
    }
    if (fetchMs === 0) return;
    addMeasuredSpan('store fetch', { ...segment, 'loki.stored_bytes': storedBytes }, { durationMs: fetchMs });
  });
}
