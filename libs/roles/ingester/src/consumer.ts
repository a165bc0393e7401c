import { LokiError } from '@loki/model';
import { nextTurn } from '@loki/ports';
import type { LoggedRecord } from '@loki/ports';
import { damageOf, openSegment, removeRows } from '@loki/segment';
import type { Segment } from '@loki/segment';
import { CommittedRows } from './committed-rows.ts';
import { DecodedBlocks } from './decoded-blocks.ts';
import { findDuplicates } from './dedupe.ts';
import type { DuplicateRows } from './dedupe.ts';
import type { PartitionDeps } from './deps.ts';
import { HeadRecord } from './head.ts';
import type { PartitionProgress } from './partition-progress.ts';
import { isUnreadable, quarantine } from './quarantine.ts';
import { retryLogged } from './retry.ts';

/** Called with each record that entered the head, and with the end of each batch. */
interface ConsumeEvents {
  onRecord(record: HeadRecord): void;
  onProgress(): void;
  /**
   * The log does not have the next offset any more: what was there may have been committed by another owner.
   */
  onGap(): Promise<void>;
  /** The records below our offset cannot be read as they were: others may have committed more. */
  onOutdated(): Promise<void>;
}

/** How often a consumer that has no room looks again. A flush takes a second or so. */
const roomPollMs = 50;
/**
 * Time on the event loop after which a consumer lets others run: heads replay for minutes, health checks do
 * not wait.
 */
const turnMaxMs = 20;

/**
 * Reads one partition from where its commits end, record by record in order, into the head.
 * For each: drop it if its writer's number says that we had it; open it; drop rows we have; keep the rest as
 * it is.
 */
export class Consumer {
  readonly #progress: PartitionProgress;
  readonly #deps: PartitionDeps;
  readonly #events: ConsumeEvents;
  readonly #blocks: DecodedBlocks;
  readonly #committedRows: CommittedRows;
  #turnBeganMs: number;

  constructor(progress: PartitionProgress, deps: PartitionDeps, events: ConsumeEvents) {
    this.#progress = progress;
    this.#deps = deps;
    this.#events = events;
    this.#blocks = new DecodedBlocks(deps.options.decodedBlocksBytesMax);
    const { id: partition, hasher } = progress;
    this.#committedRows = new CommittedRows({ ...deps, partition, hasher });
    this.#turnBeganMs = deps.clock.monotonicMs();
  }

  /** Until the signal aborts; then rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    const { readBytesMax, readWaitMs } = this.#deps.options;
    let endBeforeRead = 0;
    for (;;) {
      while (this.#progress.isFull) {
        this.#events.onProgress();
        await this.#deps.timers.sleep(roomPollMs, signal);
      }
      const from = this.#progress.consumedOffset;
      const records = await this.#retry('reading the write log', signal, () =>
        this.#deps.writeLog.read(this.#progress.id, from, {
          bytesMax: readBytesMax,
          waitMs: readWaitMs,
          signal,
        }),
      );
      if (records.length > 0 ? records[0].offset > from : await this.#isPassed(from, signal)) {
        await this.#events.onGap();
      }
      if (records.length === 0 && this.#deps.onForeignCommit) {
        // A log of this process alone has a record for each offset: those it ended with before are
        // unreadable.
        if (endBeforeRead > from) {
          signal.throwIfAborted();
          this.#tellLost(endBeforeRead);
          this.#progress.skip(endBeforeRead);
        }
        endBeforeRead = await this.#retry('asking the write log for its end', signal, () =>
          this.#deps.writeLog.endOffset(this.#progress.id),
        );
      }
      for (const record of records) {
        this.#tellLost(record.offset);
        await this.#take(record, signal);
        await this.#yield(signal);
      }
      if (records.length > 0) this.#events.onProgress();
    }
  }

  /**
   * A log of this process alone gives each offset to a record: a gap before `offset` is records that were
   * acknowledged and cannot be read. Offsets of a shared log may have gaps of its own.
   */
  #tellLost(offset: number): void {
    const { onForeignCommit, logger, metrics } = this.#deps;
    const fromOffset = this.#progress.consumedOffset;
    if (!onForeignCommit || offset <= fromOffset) return;
    const records = offset - fromOffset;
    metrics.recordsLost(records);
    const range = { partition: this.#progress.id, fromOffset, toOffset: offset, records };
    logger.error('the write log has lost records: a file is cut, damaged or missing', range);
  }

  /**
   * Whether the log begins above `offset` and holds nothing. Only an owner who waits for others' records has
   * to ask: it would wait for ever for what another owner has committed and truncated.
   */
  async #isPassed(offset: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#progress.isAwaited) return false;
    const start = await this.#retry('asking the write log for its start', signal, () =>
      this.#deps.writeLog.startOffset(this.#progress.id),
    );
    return start > offset;
  }

  async #take(logged: LoggedRecord, signal: AbortSignal): Promise<void> {
    const { metrics } = this.#deps;
    const { offset, writerId, sequence } = logged;
    // Delivered again by the log, or committed by another owner while we waited.
    if (offset < this.#progress.consumedOffset) return;
    if (this.#progress.writers.isRepeat(writerId, sequence)) {
      metrics.recordRepeated();
      this.#progress.consumed(offset, writerId, sequence, undefined);
      return;
    }
    let left: HeadRecord | undefined;
    try {
      left = await this.#admit(logged, signal);
    } catch (error) {
      if (!isToBlame(logged, error)) throw error;
      await quarantine({ ...logged, partition: this.#progress.id, error }, this.#deps, signal);
    }
    if (this.#progress.consumed(offset, writerId, sequence, left) && left) {
      metrics.recordConsumed(left.rowCount, left.lineBytes);
      this.#events.onRecord(left);
    }
    left?.close();
  }

  /**
   * The record for the head: undefined when all its rows are there already. The record is opened once, in the
   * memory it stays in: what looking for duplicates decoded of it (its streams' labels) serves the head's
   * index.
   */
  async #admit(logged: LoggedRecord, signal: AbortSignal): Promise<HeadRecord | undefined> {
    const incoming = openRecord(shared(logged.payload));
    const duplicates = this.#deps.options.dropDuplicates
      ? await this.#duplicates(logged, incoming, signal)
      : [];
    if (duplicates.length === 0) return this.#headRecord(logged.offset, incoming);
    for (const { tenant, rows } of duplicates) this.#deps.metrics.duplicatesDropped(tenant, rows.length);
    const rest = openRecord(shared(removeRows(logged.payload, duplicates)));
    return rest.sections.length > 0 ? this.#headRecord(logged.offset, rest) : undefined;
  }

  /**
   * Finding duplicates may need the store. While it is down this partition waits: to go on without looking
   * would let an entry in twice, and owners of the same partition would come to differ.
   */
  #duplicates(logged: LoggedRecord, incoming: Segment, signal: AbortSignal): Promise<DuplicateRows[]> {
    const { clock, timers } = this.#deps;
    const context = {
      clock,
      timers,
      head: this.#progress.head,
      bounds: this.#progress.bounds,
      committed: this.#committedRows,
      blocks: this.#blocks,
      hasher: this.#progress.hasher,
      committedOffset: () => this.#progress.committedOffset,
      signal,
    };
    const attempt = async () => {
      try {
        return await findDuplicates(incoming, context);
      } catch (error) {
        // Where we stand may be so long ago that what was committed below has been merged with what came
        // after, and is gone: a leader that was cut off from the log, say, while another took its place.
        // This owner alone moves its offset on.
        if (isOutdated(error)) await this.#events.onOutdated();
        throw error;
      }
    };
    return this.#retry('looking for duplicates', signal, attempt, (error) => isToBlame(logged, error));
  }

  #headRecord(offset: number, segment: Segment): HeadRecord {
    return new HeadRecord(offset, segment, this.#deps.clock.monotonicMs());
  }

  async #yield(signal: AbortSignal): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#turnBeganMs < turnMaxMs) return;
    await nextTurn(this.#deps.timers);
    signal.throwIfAborted();
    this.#turnBeganMs = this.#deps.clock.monotonicMs();
  }

  #retry<T>(
    what: string,
    signal: AbortSignal,
    attempt: () => Promise<T>,
    isFinal?: (error: unknown) => boolean,
  ): Promise<T> {
    return retryLogged(what, attempt, { ...this.#deps, ...this.#deps.options, signal, isFinal });
  }
}

/**
 * Whether an error means that this very record is damaged. Damage met elsewhere on its way (a manifest, a
 * committed segment, a read that went wrong) is no reason to put a sound record aside: it is tried again.
 */
function isToBlame(logged: LoggedRecord, error: unknown): boolean {
  if (!isUnreadable(error)) return false;
  try {
    return damageOf(logged.payload) !== undefined;
  } catch {
    return true; // the parser itself fails on it
  }
}

function isOutdated(error: unknown): boolean {
  return error instanceof LokiError && (error.code === 'notFound' || error.code === 'unavailable');
}

/**
 * Any error of the parser at a record means that it cannot be read: one writer's bug must not stop a
 * partition.
 */
function openRecord(bytes: Buffer): Segment {
  try {
    return openSegment(bytes, 'write-log record');
  } catch (cause) {
    if (isUnreadable(cause)) throw cause;
    throw new LokiError('corrupt', 'write-log record: the parser failed', { cause });
  }
}

/** A copy that all threads see. Threads get a view of it with a message, whatever its size. */
function shared(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
