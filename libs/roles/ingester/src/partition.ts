/** One partition from its assignment to its release: steps *consume* to *commit* of a written line. */
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type {
  HeadAnswer,
  PartitionHead,
  PartitionNews,
  LeafRequest,
  LeafResult,
  StreamsRequest,
  StreamVolume,
  TailFrame,
} from '@loki/ports';
import { Consumer } from './consumer.ts';
import type { PartitionDeps } from './deps.ts';
import { Flusher } from './flusher.ts';
import { FollowedCommits } from './followed-commits.ts';
import { PartitionProgress } from './partition-progress.ts';
import { recoverCommits } from './recovery.ts';
import { retryLogged } from './retry.ts';
import { headBounds, headStreams, queryHead } from './serve.ts';
import { Tails } from './tails.ts';

/** The state of a partition in one ingester, for operators. */
export interface PartitionStatus {
  readonly partition: number;
  /** Whether this ingester flushes it. */
  readonly isLeader: boolean;
  readonly isCaughtUp: boolean;
  /** Offsets below are in the store. */
  readonly committedOffset: number;
  /** Offsets below have been read from the log. */
  readonly consumedOffset: number;
  /** The log's end; absent when the log does not answer. */
  readonly endOffset?: number;
  /** Bytes in memory. */
  readonly headRecords: number;
  readonly headBytes: number;
}

/** A tenant's share of heads. */
export interface HeadUsage {
  streams: number;
  /**
   * The heads' memory by the tenant's share of their rows: records of several tenants are not divided
   * further.
   */
  bytes: number;
}

interface Parts {
  readonly progress: PartitionProgress;
  readonly consumer: Consumer;
  readonly flusher: Flusher;
  readonly followed: FollowedCommits;
}

/** One partition, from its assignment to its release. */
export class Partition {
  readonly id: number;
  readonly #deps: PartitionDeps;
  readonly #stop = new AbortController();
  readonly #tails: Tails;
  #parts: Parts | undefined;
  #isCaughtUp = false;
  #work: Promise<void> | undefined;

  constructor(id: number, deps: PartitionDeps) {
    this.id = id;
    this.#deps = deps;
    this.#tails = new Tails(id, deps);
  }

  /**
   * Whether it has consumed all records that the log had at the assignment. Until then it answers no query.
   */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  start(): void {
    this.#work = this.#run().catch((error: unknown) => {
      if (this.#stop.signal.aborted) return; // Stopped: this is its regular end.
      this.#isCaughtUp = false;
      this.#deps.logger.error('a partition stopped consuming after an error', {
        partition: this.id,
        err: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    });
  }

  async queryHead(request: LeafRequest, signal?: AbortSignal): Promise<HeadAnswer<LeafResult>> {
    return queryHead(this.#ready(), this.#deps, request, signal);
  }

  async headBounds(tenant: TenantId, signal?: AbortSignal): Promise<PartitionHead> {
    return headBounds(this.#ready(), this.#deps, tenant, signal);
  }

  async headStreams(
    request: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<readonly StreamVolume[]>> {
    return headStreams(this.#ready(), this.#deps, request, signal);
  }

  tail(request: LeafRequest, signal: AbortSignal, fromOffset?: number): AsyncIterable<TailFrame> {
    return this.#tails.follow(this.#ready(), request, { signal, fromOffset });
  }

  /**
   * News for a reader that has read manifests up to `number`. Reads newer manifests when the reader is ahead.
   * Undefined: this owner has not caught up yet.
   */
  news(number: number): PartitionNews | undefined {
    if (!this.#parts || !this.#isCaughtUp) return undefined;
    const { flusher, followed } = this.#parts;
    const news = this.#deps.commits(this.id).news(number);
    followed.noteReader(number, news.number);
    return { partition: this.id, isLeader: flusher.isLeader, ...news };
  }

  /** Commits all records that the log has at the call. */
  async flush(signal?: AbortSignal): Promise<void> {
    if (!this.#parts) throw notReady(this.id);
    const { progress, flusher } = this.#parts;
    if (!flusher.isLeader) return;
    const endOffset = await this.#deps.writeLog.endOffset(this.id);
    while (progress.committedOffset < endOffset) {
      await flusher.flushUpTo(Math.min(endOffset, progress.consumedOffset), signal);
      if (progress.consumedOffset >= endOffset) continue;
      const timeoutMs = this.#deps.options.queryWaitMs;
      await progress.waitConsumed(progress.consumedOffset + 1, { timeoutMs, signal });
    }
  }

  /** undefined: the consumer has not started. */
  async status(): Promise<PartitionStatus | undefined> {
    if (!this.#parts) return undefined;
    const { progress, flusher } = this.#parts;
    const endOffset = await this.#deps.writeLog.endOffset(this.id).catch(() => undefined);
    return {
      partition: this.id,
      isLeader: flusher.isLeader,
      isCaughtUp: this.#isCaughtUp,
      committedOffset: progress.committedOffset,
      consumedOffset: progress.consumedOffset,
      ...(endOffset === undefined ? {} : { endOffset }),
      headRecords: progress.head.records.length,
      headBytes: progress.head.memoryBytes,
    };
  }

  /** Adds the tenants of the head, if this ingester flushes it: other owners have the same rows. */
  addUsage(usage: Map<string, HeadUsage>): void {
    if (!this.#parts?.flusher.isLeader) return;
    const { streams, memoryBytes, rowCount } = this.#parts.progress.head;
    for (const { tenant, count, rows } of streams.tenants.values()) {
      let own = usage.get(tenant);
      if (!own) usage.set(tenant, (own = { streams: 0, bytes: 0 }));
      own.streams += count;
      own.bytes += rowCount > 0 ? (memoryBytes * rows) / rowCount : 0;
    }
  }

  /** Stops reading and flushing; the next owner reads uncommitted records again. */
  async stop(): Promise<void> {
    this.#stop.abort(new LokiError('unavailable', `partition ${this.id} is being handed over`));
    this.#isCaughtUp = false;
    this.#tails.close();
    await this.#work;
    await this.#parts?.followed.idle();
    await this.#parts?.flusher.idle();
    this.#parts?.progress.release();
    this.#deps.metrics.replaying(this.id, false);
    this.#deps.metrics.head(this.id, undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    this.#deps.metrics.replaying(this.id, true);
    const parts = (this.#parts = await this.#recover());
    const { progress, consumer } = parts;
    const askEnd = () => this.#deps.writeLog.endOffset(this.id);
    const retrying = { ...this.#deps, ...this.#deps.options, signal };
    const target = await retryLogged('asking the write log for its end', askEnd, retrying);
    void progress
      .waitConsumed(target, { timeoutMs: Number.MAX_SAFE_INTEGER, signal })
      .then(() => this.#caughtUp(target))
      .catch(() => undefined); // Released before it caught up.
    await Promise.all([consumer.run(signal), this.#watch(parts)]);
  }

  #caughtUp(target: number): void {
    this.#isCaughtUp = true;
    this.#deps.metrics.replaying(this.id, false);
    this.#deps.logger.info('partition caught up', { partition: this.id, offset: target });
  }

  /** Consumption begins at the end of the manifests. */
  async #recover(): Promise<Parts> {
    const committed = await recoverCommits(this.id, this.#deps, this.#stop.signal);
    const progress = new PartitionProgress(this.id, committed, this.#deps);
    const flusher = new Flusher(progress, this.#deps, this.#stop.signal);
    // A crash may have come between the last commit and this.
    await flusher.truncateLog();
    const consumer = new Consumer(progress, this.#deps, {
      onRecord: (record) => {
        this.#tails.onRecord(record);
        if (flusher.isLeader) this.#deps.patterns?.offer(record);
      },
      onConsumed: (offset) => this.#tails.onConsumed(offset),
      onProgress: () => flusher.flushIfDue(),
      onGap: () => flusher.followCommits(),
      onOutdated: () => flusher.followCommits(),
    });
    return { progress, consumer, flusher, followed: new FollowedCommits(progress, flusher) };
  }

  /** Checks age and idleness from time to time, and sets the gauges. */
  async #watch(parts: Parts): Promise<never> {
    const { progress, flusher, followed } = parts;
    for (;;) {
      await this.#deps.timers.sleep(this.#deps.options.flushCheckMs, this.#stop.signal);
      this.#tails.onCommitted(progress.committedOffset);
      if (flusher.isLeader) flusher.flushIfDue();
      await followed.round();
      await this.#tellGauges(parts);
    }
  }

  async #tellGauges({ progress, flusher }: Parts): Promise<void> {
    const { clock, metrics, writeLog } = this.#deps;
    const streams = new Map<string, number>();
    for (const [tenant, { count }] of progress.head.streams.tenants) streams.set(tenant, count);
    const endOffset = await writeLog.endOffset(this.id).catch(() => progress.consumedOffset);
    // The partition may have been released meanwhile.
    if (this.#stop.signal.aborted) return;
    const { head, consumedOffset, committedOffset } = progress;
    const oldestMs = head.records.length === 0 ? undefined : head.records[0].consumedAtMs;
    metrics.head(this.id, {
      records: head.records.length,
      memoryBytes: head.memoryBytes,
      streams,
      lagRecords: Math.max(0, endOffset - consumedOffset),
      consumedOffset,
      committedOffset,
      oldestSeconds: oldestMs === undefined ? 0 : (clock.monotonicMs() - oldestMs) / 1000,
      isLeader: flusher.isLeader,
    });
  }

  #ready(): PartitionProgress {
    if (!this.#parts || !this.#isCaughtUp) throw notReady(this.id);
    return this.#parts.progress;
  }
}

function notReady(partition: number): LokiError {
  return new LokiError('unavailable', `partition ${partition} is still being read from the write log`);
}
