/**
 * An ingester: starts and stops its partitions, and answers for them. Steps *consume* to *commit* of a
 * written line.
 */
import { QueryThread } from '@loki/engine';
import { LokiError, mib, Semaphore } from '@loki/model';
import type { TenantId } from '@loki/model';
import type {
  CatalogNews,
  CatalogNumbers,
  HeadAnswer,
  PartitionHead,
  PartitionNews,
  IngesterService,
  LeafRequest,
  LeafResult,
  StreamsRequest,
  StreamVolume,
  TailFrame,
} from '@loki/ports';
import { HeadBudget } from './deps.ts';
import type { IngesterDeps, PartitionDeps } from './deps.ts';
import { ingesterOptions } from './options.ts';
import type { IngesterOptions } from './options.ts';
import { Partition } from './partition.ts';
import type { HeadUsage, PartitionStatus } from './partition.ts';
import { scanFrame } from './serve.ts';
import { TailTurns } from './tail-turns.ts';

/**
 * The partitions that this ingester owns: now, and after each change. Returns a function that ends the
 * subscription.
 */
export type OwnedPartitions = (onChange: (partitions: readonly number[]) => void) => () => void;

/** A fixed ownership of all `count` partitions, for a single process. */
export function ownsAll(count: number): OwnedPartitions {
  return (onChange) => {
    onChange(Array.from({ length: count }, (_, partition) => partition));
    return () => {};
  };
}

/** Bytes of manifests in one answer about news: a message is 1 MiB at most. */
const newsBytesMax = mib / 2;

/** Consumes the partitions that it owns, answers for records that are not committed yet, and commits them. */
export class Ingester implements IngesterService {
  readonly #deps: PartitionDeps;
  readonly #owned: OwnedPartitions;
  readonly #partitions = new Map<number, Partition>();
  /** Partitions that are stopping: a partition is not taken again before it has stopped. */
  readonly #leaving = new Map<number, Promise<void>>();
  /** Partitions that are no longer owned, kept and answered for until their new owners have read them. */
  readonly #handingOver = new Map<number, AbortController>();
  #stopListening: (() => void) | undefined;
  #ownedIds: ReadonlySet<number> = new Set();
  #isStopped = false;

  constructor(deps: IngesterDeps, owned: OwnedPartitions, options: Partial<IngesterOptions> = {}) {
    const settled = ingesterOptions(options);
    const shared = {
      ...deps,
      queryThread: deps.queryThread ?? new QueryThread(deps),
      options: settled,
      budget: new HeadBudget(settled.headBytesMax),
      ownedCount: () => this.#partitions.size,
      flushSemaphore: new Semaphore(settled.flushesMax),
      instance: Buffer.from(deps.random.bytes(8)).toString('hex'),
    };
    const tailTurns = new TailTurns({
      ...deps,
      parallelism: deps.workers.parallelism,
      scan: (scan, scanOptions) => scanFrame(shared, scan, scanOptions),
    });
    this.#deps = { ...shared, tailTurns };
    this.#owned = owned;
  }

  /** Begins to consume. Returns at once; `isReady` becomes true when all partitions have caught up. */
  start(): void {
    this.#stopListening = this.#owned((partitions) => this.#own(new Set(partitions)));
  }

  /** Whether it can answer for every partition that it owns. */
  isReady(): boolean {
    if (this.#isStopped || !this.#stopListening) return false;
    for (const id of this.#ownedIds) if (!this.#partitions.get(id)?.isCaughtUp) return false;
    return true;
  }

  /** Bytes of uncommitted records in memory. */
  headBytes(): number {
    return this.#deps.budget.bytes;
  }

  async partitions(): Promise<readonly number[]> {
    const ids: number[] = [];
    for (const [id, partition] of this.#partitions) if (partition.isCaughtUp) ids.push(id);
    return ids.sort((a, b) => a - b);
  }

  /** The state of each partition, owned or stopping. */
  async status(): Promise<readonly PartitionStatus[]> {
    const all = await Promise.all([...this.#partitions.values()].map((partition) => partition.status()));
    const statuses = all.filter((status) => status !== undefined);
    return statuses.sort((a, b) => a.partition - b.partition);
  }

  /** Tenants of the heads that this ingester flushes. */
  usage(): Map<string, HeadUsage> {
    const usage = new Map<string, HeadUsage>();
    for (const partition of this.#partitions.values()) partition.addUsage(usage);
    return usage;
  }

  async queryHead(
    partition: number,
    request: LeafRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<LeafResult>> {
    return this.#partition(partition).queryHead(request, signal);
  }

  async headBounds(
    partitions: readonly number[],
    tenant: TenantId,
    signal?: AbortSignal,
  ): Promise<readonly PartitionHead[]> {
    const questions = partitions.map(async (id) => this.#partition(id).headBounds(tenant, signal));
    const answers = await Promise.allSettled(questions);
    signal?.throwIfAborted();
    // The caller asks another owner for the other partitions.
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  async headStreams(
    partition: number,
    request: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<readonly StreamVolume[]>> {
    return this.#partition(partition).headStreams(request, signal);
  }

  async catalogNews(numbers: CatalogNumbers): Promise<CatalogNews> {
    const { sharedLogs } = this.#deps;
    sharedLogs?.tell(numbers.shared);
    let bytesLeft = newsBytesMax;
    const partitions: PartitionNews[] = [];
    for (const [id, partition] of this.#partitions) {
      const news = partition.news(numbers.partitions.get(id) ?? Infinity);
      if (!news) continue;
      bytesLeft -= news.manifests.reduce((sum, { length }) => sum + length, 0);
      partitions.push(bytesLeft < 0 ? { ...news, manifests: [] } : news);
    }
    return { partitions, shared: sharedLogs?.numbers() ?? { compactions: 0, deletes: 0, layout: 0 } };
  }

  tail(
    partition: number,
    request: LeafRequest,
    signal: AbortSignal,
    fromOffset?: number,
  ): AsyncIterable<TailFrame> {
    return this.#partition(partition).tail(request, signal, fromOffset);
  }

  async flush(signal?: AbortSignal): Promise<void> {
    await Promise.all([...this.#partitions.values()].map((partition) => partition.flush(signal)));
  }

  /**
   * Releases all partitions. Does not flush: uncommitted records stay in the log and are read again after a
   * restart. Idempotent.
   */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopListening?.();
    this.#own(new Set());
    for (const id of this.#partitions.keys()) this.#release(id);
    await Promise.all(this.#leaving.values());
  }

  #own(ownedIds: ReadonlySet<number>): void {
    this.#ownedIds = ownedIds;
    for (const [id, partition] of this.#partitions) {
      if (ownedIds.has(id)) {
        this.#handingOver.get(id)?.abort();
        this.#handingOver.delete(id);
      } else if (this.#deps.takenOver && partition.isCaughtUp && !this.#isStopped) this.#handOver(id);
      else this.#release(id);
    }
    for (const id of ownedIds) if (!this.#partitions.has(id) && !this.#leaving.has(id)) this.#take(id);
  }

  /** A caller that asks before the new owner has read the partition still gets its answer here. */
  #handOver(id: number): void {
    if (this.#handingOver.has(id)) return;
    const cancel = new AbortController();
    this.#handingOver.set(id, cancel);
    const releaseOnce = () => {
      if (!cancel.signal.aborted) this.#release(id);
    };
    this.#deps.takenOver!(id, cancel.signal).then(releaseOnce, releaseOnce);
  }

  #release(id: number): void {
    this.#handingOver.get(id)?.abort();
    this.#handingOver.delete(id);
    const partition = this.#partitions.get(id);
    if (!partition) return;
    this.#partitions.delete(id);
    const stopping = partition.stop().finally(() => {
      this.#leaving.delete(id);
      if (this.#ownedIds.has(id)) this.#take(id);
    });
    this.#leaving.set(id, stopping);
  }

  #take(id: number): void {
    const partition = new Partition(id, this.#deps);
    this.#partitions.set(id, partition);
    partition.start();
  }

  #partition(id: number): Partition {
    const partition = this.#partitions.get(id);
    if (!partition) throw new LokiError('unavailable', `partition ${id} is not owned by this ingester`);
    return partition;
  }
}
