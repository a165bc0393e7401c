/** Flushes and commits: step *flush, commit* of a written line. */
import type { CommitState } from '@loki/catalog';
import { LokiError } from '@loki/model';
import { mergeTask, verifySegment } from '@loki/segment';
import type { MergeTaskOutput } from '@loki/segment';
import { countFlush } from './count-flush.ts';
import type { MergedSegment } from './count-flush.ts';
import type { PartitionDeps } from './deps.ts';
import { planFlush } from './flush-plan.ts';
import type { FlushPlan } from './flush-plan.ts';
import type { HeadRecord } from './head/head-record.ts';
import type { PartitionProgress } from './partition-progress.ts';
import { isUnreadable, quarantine } from './quarantine.ts';
import { foreignCommit } from './rescue.ts';
import { retryLogged } from './retry.ts';

/**
 * Turns the oldest part of a head into a committed segment: merge on a worker, put, commit. One flush at a
 * time for each partition, while its consumption continues.
 *
 * The order keeps the promise: the segment is durable before the manifest that names it, the manifest is
 * durable before the head drops the records, and only then may the log delete them. A stop at any point
 * leaves at worst an object that no manifest names.
 */
export class Flusher {
  readonly #progress: PartitionProgress;
  readonly #deps: PartitionDeps;
  readonly #stop: AbortSignal;
  #running: Promise<void> | undefined;

  constructor(progress: PartitionProgress, deps: PartitionDeps, stop: AbortSignal) {
    this.#progress = progress;
    this.#deps = deps;
    this.#stop = stop;
  }

  /** Two owners may act as leader for a while: the manifests decide between them. */
  get isLeader(): boolean {
    return this.#deps.isLeader?.(this.#progress.id) ?? true;
  }

  /** Takes over commits of other owners: this makes a follower's head smaller. */
  async followCommits(): Promise<void> {
    await this.idle();
    const commits = this.#deps.commits(this.#progress.id);
    this.#follow(await this.#retry('reading the manifests', () => commits.load(this.#stop)));
  }

  /**
   * Moves on to the end of the manifests. For a log that this process alone writes, each manifest must know
   * every record that it passes: otherwise it belongs to another log, and the passed records would be lost.
   */
  #follow(committed: CommitState): void {
    const { id, writers, consumedOffset } = this.#progress;
    const { endOffset } = committed;
    const isOurs = endOffset <= consumedOffset && writers.isKnownTo(endOffset, committed.writers);
    const { onForeignCommit } = this.#deps;
    if (onForeignCommit && !isOurs) {
      const error = foreignCommit(id, endOffset);
      onForeignCommit(error);
      throw error;
    }
    this.#progress.committed(committed);
  }

  /** Begins a flush when one is due and none is running; continues while flushes are due. */
  flushIfDue(): void {
    if (this.#running || this.#stop.aborted || !this.isLeader || !this.#plan(false)) return;
    const work = async () => {
      while (this.#plan(false)) await this.#flush(false);
    };
    this.#track(work()).catch((error: unknown) => this.#report(error));
  }

  /** Flushes until everything below `offset` is committed; the caller has waited for its consumption. */
  async flushUpTo(offset: number, signal?: AbortSignal): Promise<void> {
    while (this.#progress.committedOffset < offset) {
      signal?.throwIfAborted();
      this.#stop.throwIfAborted();
      if (this.#running) {
        await this.#running;
        continue;
      }
      if (!this.#plan(true)) return;
      await this.#track(this.#flush(true));
    }
  }

  /** Resolves when no flush is running. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined); // Its caller receives the failure.
  }

  #track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => (this.#running = undefined));
    this.#running = tracked;
    return tracked;
  }

  #plan(isForced: boolean): FlushPlan | undefined {
    const { head } = this.#progress;
    return planFlush(
      {
        ...this.#progress.position(),
        records: head.records,
        lineBytes: head.lineBytes,
        memoryBytes: head.memoryBytes,
        isPressed: this.#deps.budget.isExhausted,
        nowMs: this.#deps.clock.monotonicMs(),
      },
      this.#deps.options,
      isForced,
    );
  }

  async #flush(isForced: boolean): Promise<void> {
    const { metrics, flushSemaphore } = this.#deps;
    metrics.flushStarted();
    try {
      // Checked before the flush waits for its turn: a damaged partition must not delay others.
      const commits = this.#deps.commits(this.#progress.id);
      await this.#retry('reading the manifests', () => commits.prove(this.#stop));
      await flushSemaphore.run(async () => {
        // Planned only now: other owners may have committed a part of the head while the flush waited for its
        // turn.
        const plan = this.#plan(isForced);
        if (plan) await this.#mergeAndCommit(plan);
      }, this.#stop);
    } finally {
      metrics.flushEnded();
    }
  }

  async #mergeAndCommit(plan: FlushPlan): Promise<void> {
    const { clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    const records = this.#progress.head.records.slice(0, plan.count);
    // The table at the plan's end, read before any await: see Writers.
    const writers = this.#progress.writers.tableAt(plan.endOffset);
    let segment: MergedSegment | undefined;
    if (records.length > 0) {
      const merged = await this.#merge(records);
      if (!merged) return; // Unreadable records were removed: the next plan is without them.
      if (merged.sections.length > 0) segment = { key: this.#keyOf(plan), ...merged };
    }
    const encodedMs = clock.monotonicMs();
    if (segment) {
      const { key, bytes } = segment;
      await this.#retry('putting a segment', () => this.#deps.objectStore.put(key, bytes, this.#stop));
      await this.#deps.simHook?.('flush.afterPut');
    }
    const { startOffset, endOffset } = plan;
    const commit = { startOffset, endOffset, segment, writers };
    const commits = this.#deps.commits(this.#progress.id);
    const commitBeganMs = clock.monotonicMs();
    const isCommitted = await this.#retry('committing a segment', () => commits.commit(commit, this.#stop));
    const commitMs = clock.monotonicMs() - commitBeganMs;
    await this.#deps.simHook?.('flush.afterCommit');
    if (isCommitted) {
      const newestUs = Number.NEGATIVE_INFINITY; // All flushed rows came from this head: no row of the commit is unknown here.
      await this.#progress.committedByThis({ endOffset, writers, newestUs });
    }
    if (isCommitted || (await this.#yieldToWinner(plan, segment))) {
      if (segment) {
        countFlush(
          { plan, segment, oldest: records[0], encodeMs: encodedMs - beganMs, commitMs },
          this.#deps,
        );
      }
    }
    await this.truncateLog();
  }

  /** Undefined when unreadable records had to be removed. */
  async #merge(records: readonly HeadRecord[]): Promise<MergeTaskOutput | undefined> {
    const inputs = records.map(({ bytes, offset }) => ({ bytes, name: `record ${offset}` }));
    const input = { inputs, options: { kind: 'flushed' as const } };
    const attempt = () => this.#deps.workers.run(mergeTask, input, { signal: this.#stop });
    try {
      return await this.#retry('merging a segment', attempt, isUnreadable);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      await this.#removeUnreadable(records, error);
      return undefined;
    }
  }

  /**
   * The record's checksums hold (the log's did), so its writer encoded it wrongly: the whole record goes into
   * quarantine.
   */
  async #removeUnreadable(records: readonly HeadRecord[], cause: unknown): Promise<void> {
    const unreadable: HeadRecord[] = [];
    for (const record of records) {
      try {
        verifySegment(record.bytes);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        const { offset, bytes } = record;
        const origin = { partition: this.#progress.id, offset, writerId: 'head', sequence: 0 };
        await quarantine({ ...origin, payload: bytes, error }, this.#deps, this.#stop);
        unreadable.push(record);
      }
    }
    // Each record alone is intact, but the merge fails: a fault of this program, and no reason to drop data.
    if (unreadable.length === 0) throw cause;
    this.#progress.remove(unreadable);
  }

  /**
   * Another manifest has this number: continue from the end of the manifests. True when that manifest is this
   * flush's own, from an attempt whose answer was lost.
   */
  async #yieldToWinner(plan: FlushPlan, segment: MergedSegment | undefined): Promise<boolean> {
    const commits = this.#deps.commits(this.#progress.id);
    const winner = await this.#retry('reading the manifests', () => commits.load(this.#stop));
    if (winner.endOffset <= plan.startOffset) {
      throw new LokiError(
        'internal',
        `partition ${this.#progress.id}: a commit was refused, and no other commit stands in its place`,
      );
    }
    const isOurs = segment !== undefined && (await this.#isNamed(segment, winner.endOffset));
    this.#follow(winner);
    if (isOurs) return true;
    this.#deps.metrics.flushLost(segment?.bytes.length ?? 0);
    this.#deps.logger.warn('another owner has flushed these records: this segment is discarded', {
      partition: this.#progress.id,
      startOffset: plan.startOffset,
      endOffset: plan.endOffset,
      winnersEndOffset: winner.endOffset,
    });
    if (segment) await this.#deps.objectStore.delete(segment.key).catch((error) => this.#report(error));
    return false;
  }

  /** A segment is deleted only when no manifest names it: a mistake here would lose data. */
  #isNamed(segment: MergedSegment, endOffset: number): Promise<boolean> {
    const { tenant, minNs, maxNs } = segment.sections[0];
    return this.#retry('looking for a segment in the manifests', async () => {
      const rows = { tenant, startNs: minNs, endNs: maxNs + 1n };
      const keys = await this.#deps.committed.keys(this.#progress.id, endOffset, rows);
      return keys.includes(segment.key);
    });
  }

  /** A failure to truncate loses nothing: the next flush tries again. */
  async truncateLog(): Promise<void> {
    const offset = this.#progress.committedOffset - this.#deps.options.logMarginRecords;
    if (offset <= 0) return;
    await this.#deps.writeLog.truncateBefore(this.#progress.id, offset).catch((error) => this.#report(error));
  }

  #keyOf({ startOffset, endOffset }: FlushPlan): string {
    const suffix = Buffer.from(this.#deps.random.bytes(8)).toString('hex');
    return `segments/${this.#progress.id}/${startOffset}-${endOffset}-${suffix}`;
  }

  #report(error: unknown): void {
    if (this.#stop.aborted) return; // Aborted by `stop`: no failure.
    this.#deps.metrics.flushFailed();
    this.#deps.logger.error('flush failed', {
      partition: this.#progress.id,
      err: error instanceof Error ? error.message : String(error),
    });
  }

  #retry<T>(action: string, attempt: () => Promise<T>, isFinal?: (error: unknown) => boolean): Promise<T> {
    const onFailure = () => this.#deps.metrics.flushFailed();
    return retryLogged(action, attempt, {
      ...this.#deps,
      ...this.#deps.options,
      signal: this.#stop,
      isFinal,
      onFailure,
    });
  }
}
