/** Reads a partition's records into its head: step *consume* of a written line. */
import { LokiError } from '@loki/model';
import { nextTurn } from '@loki/ports';
import type { LoggedRecord } from '@loki/ports';
import { damageOf, removeRows } from '@loki/segment';
import type { Segment } from '@loki/segment';
import { CommittedRows } from './dedupe/committed-rows.ts';
import { findDuplicates } from './dedupe/dedupe.ts';
import type { DuplicateRows } from './dedupe/dedupe.ts';
import type { PartitionDeps } from './deps.ts';
import { DecodedBlocks } from './head/decoded-blocks.ts';
import { HeadRecord } from './head/head-record.ts';
import type { PartitionProgress } from './partition-progress.ts';
import { isUnreadable, quarantine } from './quarantine.ts';
import { openRecord, partOf, shared, wholeOf } from './record-parts.ts';
import type { RecordPart } from './record-parts.ts';
import { retryLogged } from './retry.ts';
import { TenantLanes } from './tenant-lanes.ts';

/** Called with each record that entered the head, and with the consumed offset. */
interface ConsumeEvents {
  onRecord(record: HeadRecord): void;
  /** All records below `offset` have been consumed. */
  onConsumed(offset: number): void;
  /** A flush may be due. */
  onProgress(): void;
  /** The log no longer has the next offset: another owner may have committed its record. */
  onGap(): Promise<void>;
  /**
   * Records below the ingester's offset can no longer be read as they were: other owners may have committed
   * more.
   */
  onOutdated(): Promise<void>;
}

/** Pause of a consumer that waits for room. A flush takes a second or so. */
const roomPollMs = 50;
/**
 * Time on the event loop after which a consumer yields: heads replay for minutes, health checks do not wait.
 */
const turnMaxMs = 20;

/**
 * Records that are read ahead while the rows of a tenant are compared, and their bytes as a share of the
 * bound of a head: further records wait in the log.
 */
const openRecordsMax = 256;
const openShare = 0.5;

/**
 * Reads one partition into the head, from the committed offset on. For each record: drop it if its writer's
 * sequence shows a repeat; open it; drop repeated rows; keep the remaining bytes as they are.
 *
 * Records enter in order, tenant by tenant: comparing the rows of one tenant may take seconds, while those of
 * others continue. A record of several tenants is divided when one of them is busy.
 */
export class Consumer {
  readonly #progress: PartitionProgress;
  readonly #deps: PartitionDeps;
  readonly #events: ConsumeEvents;
  readonly #blocks: DecodedBlocks;
  readonly #committedRows: CommittedRows;
  readonly #lanes: TenantLanes;
  #turnBeganMs: number;

  constructor(progress: PartitionProgress, deps: PartitionDeps, events: ConsumeEvents) {
    this.#progress = progress;
    this.#deps = deps;
    this.#events = events;
    this.#blocks = new DecodedBlocks(deps.options.decodedBlocksBytesMax);
    const { id: partition, hasher } = progress;
    this.#committedRows = new CommittedRows({ ...deps, partition, hasher });
    this.#lanes = new TenantLanes(deps.clock, (difference) => deps.budget.add(difference));
    this.#turnBeganMs = deps.clock.monotonicMs();
  }

  /** Consumes until the signal aborts; then rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    const failure = new AbortController();
    try {
      const work = this.#read(AbortSignal.any([signal, failure.signal]));
      return await Promise.race([work, this.#lanes.failure]);
    } catch (error) {
      failure.abort(error);
      throw error;
    } finally {
      await this.#lanes.idle();
    }
  }

  async #read(signal: AbortSignal): Promise<never> {
    const { readBytesMax, readWaitMs } = this.#deps.options;
    let endBeforeRead = 0;
    for (;;) {
      while (this.#progress.isFull) await this.#waitForFlush(signal);
      const from = this.#progress.readOffset;
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
        // A log with one writer process has a record for each offset: missing records at its end are
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
        await this.#open(record, signal);
        await this.#yield(signal);
      }
    }
  }

  /**
   * A log with one writer process gives each offset to a record: a gap before `offset` means acknowledged
   * records that cannot be read. Offsets of a shared log may have gaps of their own.
   */
  #tellLost(offset: number): void {
    const { onForeignCommit, logger, metrics } = this.#deps;
    const fromOffset = this.#progress.readOffset;
    if (!onForeignCommit || offset <= fromOffset) return;
    const records = offset - fromOffset;
    metrics.recordsLost(records);
    const range = { partition: this.#progress.id, fromOffset, toOffset: offset, records };
    logger.error('the write log has lost records: a file is cut, damaged or missing', range);
  }

  /**
   * Whether the log begins above `offset` and is empty. Only an owner that waits for other writers' records
   * has to check this: otherwise it would wait without end for records that another owner has committed and
   * truncated.
   */
  async #isPassed(offset: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#progress.isAwaited) return false;
    const start = await this.#retry('asking the write log for its start', signal, () =>
      this.#deps.writeLog.startOffset(this.#progress.id),
    );
    return start > offset;
  }

  /** Starts to move a record into the head. Resolves when the next one may follow. */
  async #open(record: LoggedRecord, signal: AbortSignal): Promise<void> {
    const { offset, writerId, sequence, payload } = record;
    // The log delivered the record again, or another owner committed it during the wait.
    if (offset < this.#progress.readOffset) return;
    if (this.#progress.writers.isRepeat(writerId, sequence)) {
      this.#deps.metrics.recordRepeated();
      this.#progress.opened(offset, writerId, sequence, []);
      this.#events.onConsumed(this.#progress.consumedOffset);
      return;
    }
    const whole = wholeOf(record);
    const { tenants } = whole;
    // A comparison is nearly always done after one step.
    const busyMs = this.#lanes.busyMs(tenants);
    if (busyMs !== undefined && busyMs < turnMaxMs) {
      const pause = this.#deps.timers.sleep(turnMaxMs - busyMs, signal);
      await Promise.race([this.#lanes.idle(tenants), pause.catch(() => undefined)]);
      signal.throwIfAborted();
      // Another owner may have committed it meanwhile.
      if (offset < this.#progress.readOffset) return;
    }
    this.#progress.opened(offset, writerId, sequence, tenants);
    const isApart = tenants.length > 1 && this.#lanes.busyMs(tenants) !== undefined;
    const parts = isApart ? tenants.map((tenant) => partOf(record, tenant)) : [whole];
    const bytes = payload.length / parts.length;
    for (const part of parts) {
      this.#lanes.run(part.tenants, bytes, () => this.#take(part, signal));
    }
    const { headBytesPartitionMax } = this.#deps.options;
    await this.#lanes.room({ bytes: headBytesPartitionMax * openShare, works: openRecordsMax });
    signal.throwIfAborted();
  }

  async #take(part: RecordPart, signal: AbortSignal): Promise<void> {
    const { record, tenants } = part;
    signal.throwIfAborted();
    while (this.#progress.isFullFor(tenants)) await this.#waitForFlush(signal);
    let entered: HeadRecord | undefined;
    try {
      entered = await this.#admit(part, signal);
    } catch (error) {
      if (!isToBlame(record, error)) throw error;
      await quarantine({ ...record, partition: this.#progress.id, error }, this.#deps, signal);
    }
    signal.throwIfAborted();
    if (this.#progress.consumed(record.offset, tenants, entered) && entered) {
      this.#deps.metrics.recordConsumed(entered.rowCount, entered.lineBytes);
      this.#events.onRecord(entered);
    }
    entered?.close();
    this.#events.onConsumed(this.#progress.consumedOffset);
    this.#events.onProgress();
  }

  async #waitForFlush(signal: AbortSignal): Promise<void> {
    this.#events.onProgress();
    await this.#deps.timers.sleep(roomPollMs, signal);
  }

  /** Rows for the head; undefined when all are repeats. */
  async #admit({ record, part, open }: RecordPart, signal: AbortSignal): Promise<HeadRecord | undefined> {
    const { clock, metrics, options } = this.#deps;
    const incoming = open();
    const duplicates = options.dropDuplicates ? await this.#duplicates(record, incoming, signal) : [];
    if (duplicates.length === 0) return new HeadRecord(record.offset, incoming, clock.monotonicMs(), part);
    for (const { tenant, rows } of duplicates) metrics.duplicatesDropped(tenant, rows.length);
    const remainder = openRecord(shared(removeRows(incoming.bytes, duplicates)));
    if (remainder.sections.length === 0) return undefined;
    return new HeadRecord(record.offset, remainder, clock.monotonicMs(), part);
  }

  /**
   * Finding repeats may need the store. While the store is down this partition waits: without the search an
   * entry could be stored twice, and owners of the same partition could diverge.
   */
  #duplicates(record: LoggedRecord, incoming: Segment, signal: AbortSignal): Promise<DuplicateRows[]> {
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
        // The partition's own offset may be far behind: then the records committed below it have been merged
        // with later ones, and their rows can no longer be distinguished. This happens to a leader that was
        // cut off from the log while another took its place. Only this owner moves its offset forward.
        if (isOutdated(error)) await this.#events.onOutdated();
        throw error;
      }
    };
    return this.#retry('looking for duplicates', signal, attempt, (error) => isToBlame(record, error));
  }

  async #yield(signal: AbortSignal): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#turnBeganMs < turnMaxMs) return;
    await nextTurn(this.#deps.timers);
    signal.throwIfAborted();
    this.#turnBeganMs = this.#deps.clock.monotonicMs();
  }

  #retry<T>(
    action: string,
    signal: AbortSignal,
    attempt: () => Promise<T>,
    isFinal?: (error: unknown) => boolean,
  ): Promise<T> {
    return retryLogged(action, attempt, { ...this.#deps, ...this.#deps.options, signal, isFinal });
  }
}

/**
 * Whether an error means that this very record is damaged. Damage elsewhere (a manifest, a committed segment,
 * a failed read) is no reason to put an intact record aside: the record is tried again.
 */
function isToBlame({ payload }: LoggedRecord, error: unknown): boolean {
  if (!isUnreadable(error)) return false;
  try {
    return damageOf(payload) !== undefined;
  } catch {
    return true; // The parser itself fails at the record.
  }
}

function isOutdated(error: unknown): boolean {
  return error instanceof LokiError && (error.code === 'notFound' || error.code === 'unavailable');
}
