/** Scans committed segments on worker threads: step *fetch, scan* of a query. */
import type { Catalog, SegmentRef } from '@loki/catalog';
import {
  leafTask,
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
import type { LeafRequest, LeafResult, StreamsRequest, StreamVolume, Task, Workers } from '@loki/ports';
import { addMeasuredSpan, withSpan } from '@loki/telemetry';
import { SegmentThreads } from './segment-threads.ts';

interface SegmentScansDeps {
  readonly catalog: Catalog;
  readonly workers: Workers;
  /** Thread on which results are unpacked. */
  readonly thread: QueryThread;
  /** The store is far away: segments are opened before their scans. */
  readonly opensAhead?: boolean;
}

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
    const byThread = new Map<number, string[]>();
    for (const segment of segments) {
      if (this.#threads.has(segment)) continue;
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

  /** The rows of a leaf in one segment. */
  leaf(request: LeafRequest, segment: SegmentRef, signal?: AbortSignal): Promise<PackedLeafResult> {
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

  /** The same rows, unpacked. */
  async unpackedLeaf(request: LeafRequest, segment: SegmentRef, signal?: AbortSignal): Promise<LeafResult> {
    const packed = await this.leaf(request, segment, signal);
    const { thread } = this.#deps;
    const memory = thread.memory.open();
    try {
      memory.charge(packedBytes(packed));
      return await thread.complete(unpackLeafResult(packed, memory), () => signal?.throwIfAborted());
    } finally {
      memory.close();
    }
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
      return this.#onWorker(volumeTask, { request, sources }, segment, signal);
    }
    const packed = await this.#onWorker(streamsTask, { request, key, clip }, segment, signal);
    return this.#deps.thread.complete(unpackStreams(packed), () => signal?.throwIfAborted());
  }

  async #onWorker<Input extends { readonly request: { readonly tenant: string } }, Output>(
    task: Task<Input, Output>,
    input: Input,
    segment: SegmentRef,
    signal: AbortSignal | undefined,
  ): Promise<Output> {
    const { tenant } = input.request;
    try {
      return await this.#deps.workers.run(task, input, {
        affinity: this.#threads.of(segment),
        signal,
        tenant,
      });
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'notFound') throw error;
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
