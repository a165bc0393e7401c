/** One partition from its assignment to its release: steps *consume* to *commit* of a written line. */
import type { CommitState } from '@loki/catalog';
import { LokiError, mib } from '@loki/model';
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
import { PartitionProgress } from './partition-progress.ts';
import { foreignCommit, rescueRecords } from './rescue.ts';
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
  /** The heads' memory by the tenant's share of their rows: records of several tenants are not told apart. */
  bytes: number;
}

interface Parts {
  readonly progress: PartitionProgress;
  readonly consumer: Consumer;
  readonly flusher: Flusher;
}

/**
 * Maximum of rounds of `flushCheckMs` between two reads of the leader's commits by a follower: a minute. The
 * pause doubles with each read without news, so a follower never keeps rows for longer than twice the time
 * between commits.
 */
const pauseRoundsMax = 12;
/**
 * A head of this size, or a full one, may delay the log: its follower reads the commits in each round,
 * independent of readers. A flush is due at about 12 MiB.
 */
const largeHeadBytes = 8 * mib;

/** One partition, from its assignment to its release. */
export class Partition {
  readonly id: number;
  readonly #deps: PartitionDeps;
  readonly #stop = new AbortController();
  readonly #tails: Tails;
  #parts: Parts | undefined;
  #isCaughtUp = false;
  /** Since the last read of others' commits a reader has reported no newer manifest. */
  #isToldCurrent = false;
  #following: Promise<void> | undefined;
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
    const { flusher } = this.#parts;
    const news = this.#deps.commits(this.id).news(number);
    if (number === news.number) this.#isToldCurrent = true;
    if (Number.isFinite(number) && number > news.number) this.#followSoon(flusher);
    return { partition: this.id, isLeader: flusher.isLeader, ...news };
  }

  /** Reads others' manifests in the background; one read at a time. */
  #followSoon(flusher: Flusher): void {
    this.#following ??= flusher
      .followCommits()
      .catch(() => undefined) // Stopped meanwhile: other failures are tried again.
      .finally(() => (this.#following = undefined));
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
    await this.#following;
    await this.#parts?.flusher.idle();
    this.#parts?.progress.release();
    this.#deps.metrics.replaying(this.id, false);
    this.#deps.metrics.head(this.id, undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    this.#deps.metrics.replaying(this.id, true);
    const { progress, consumer } = (this.#parts = await this.#recover());
    const target = await this.#retry('asking the write log for its end', () =>
      this.#deps.writeLog.endOffset(this.id),
    );
    void progress
      .waitConsumed(target, { timeoutMs: Number.MAX_SAFE_INTEGER, signal })
      .then(() => this.#caughtUp(target))
      .catch(() => undefined); // Released before it caught up.
    await Promise.all([consumer.run(signal), this.#watch()]);
  }

  #caughtUp(target: number): void {
    this.#isCaughtUp = true;
    this.#deps.metrics.replaying(this.id, false);
    this.#deps.logger.info('partition caught up', { partition: this.id, offset: target });
  }

  /** Consumption begins at the end of the manifests: no other state needs recovery. */
  async #recover(): Promise<Parts> {
    // Reads the log's start first, then the manifests: another owner may commit and truncate in between, and
    // commits come before truncation.
    const oldest = await this.#retry('asking the write log for its start', () =>
      this.#deps.writeLog.startOffset(this.id),
    );
    const committed = await this.#retry('reading the manifests', () =>
      this.#deps.commits(this.id).load(this.#stop.signal),
    );
    // For a log with one writer process the consumer reports each gap, this one too.
    if (oldest > committed.endOffset && !this.#deps.onForeignCommit) {
      this.#deps.metrics.recordsLost(oldest - committed.endOffset);
      this.#deps.logger.error('the write log has lost records that were not committed yet', {
        partition: this.id,
        fromOffset: committed.endOffset,
        toOffset: oldest,
      });
    }
    if (this.#deps.onForeignCommit) await this.#rescue(committed);
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
    return { progress, consumer, flusher };
  }

  /**
   * For a log with one writer process: its end must not be below the manifests, or the next records would get
   * offsets that count as committed. The log is opened above the manifests' end, so another log has moved
   * that end since.
   */
  async #rescue(committed: CommitState): Promise<void> {
    const endOffset = await this.#retry('asking the write log for its end', () =>
      this.#deps.writeLog.endOffset(this.id),
    );
    if (endOffset < committed.endOffset) {
      const error = foreignCommit(this.id, committed.endOffset);
      this.#deps.onForeignCommit?.(error);
      throw error;
    }
    await rescueRecords(this.id, committed, this.#deps, this.#stop.signal);
  }

  /** Checks age and idleness from time to time, and sets the gauges. */
  async #watch(): Promise<never> {
    let pauseRounds = 1;
    for (let rounds = 1; ; rounds++) {
      await this.#deps.timers.sleep(this.#deps.options.flushCheckMs, this.#stop.signal);
      const { flusher, progress } = this.#parts!;
      this.#tails.onCommitted(progress.committedOffset);
      if (flusher.isLeader) {
        flusher.flushIfDue();
        rounds = 0;
      } else if (progress.head.records.length === 0) {
        // An empty head has no rows that a commit would remove.
        rounds = 0;
      } else {
        const isUrgent = progress.isFull || progress.head.memoryBytes > largeHeadBytes;
        if (rounds >= pauseRounds || isUrgent) {
          const isNews = await this.#followCommits(isUrgent);
          pauseRounds = isNews ? 1 : Math.min(2 * pauseRounds, pauseRoundsMax);
          rounds = 0;
        }
      }
      await this.#tellGauges(this.#parts!);
    }
  }

  /** @returns whether others have committed since the last look */
  async #followCommits(isUrgent: boolean): Promise<boolean> {
    const { flusher, progress } = this.#parts!;
    const { committedOffset } = progress;
    if (isUrgent || !this.#isToldCurrent) await flusher.followCommits();
    this.#isToldCurrent = false;
    return progress.committedOffset > committedOffset;
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

  #retry<T>(action: string, attempt: () => Promise<T>): Promise<T> {
    return retryLogged(action, attempt, { ...this.#deps, ...this.#deps.options, signal: this.#stop.signal });
  }
}

function notReady(partition: number): LokiError {
  return new LokiError('unavailable', `partition ${partition} is still being read from the write log`);
}
