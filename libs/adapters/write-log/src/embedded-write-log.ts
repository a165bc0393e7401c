/** The write log in files of this process: step *write log* of a written line. */
import { LokiError, mib } from '@loki/model';
import type { Disk, LoggedRecord, Logger, LogRecord, Random, Timers, WriteLog } from '@loki/ports';
import { CommitScheduler } from './commit-scheduler.ts';
import { DurableMark } from './durable-mark.ts';
import { framedBytes, recordHeaderBytes } from './format.ts';
import type { DiskUsage, PartitionLogDeps } from './partition-log-deps.ts';
import { PartitionLog } from './partition-log.ts';

/** Records that were acknowledged once and cannot be read any more. */
interface LogDamage {
  readonly partition: number;
  readonly path: string;
  readonly fromOffset: number;
  /** Exclusive. */
  readonly toOffset: number;
  /** Bytes of the file, [position, nextPosition), for whoever looks into it. */
  readonly position: number;
  readonly nextPosition: number;
}

export interface EmbeddedWriteLogOptions {
  /** A directory that this log alone uses. */
  readonly disk: Disk;
  readonly timers: Timers;
  readonly random: Random;
  readonly partitionCount: number;
  /**
   * Per partition: an offset below which records are known to have existed (the catalog's end). No new record
   * gets a lower one, even when the log's own files were lost: it would pass for a record that was flushed
   * already.
   */
  readonly atLeast?: readonly number[];
  readonly logger?: Logger;
  /** Called once for each damaged range, when it is met. */
  readonly onDamage?: (damage: LogDamage) => void;
  /**
   * A file that has grown beyond this is followed by a new one. Truncation frees whole files. Default 32 MiB.
   */
  readonly fileBytesMax?: number;
  /** A larger record is refused, payload and frame. Default 32 MiB. */
  readonly recordBytesMax?: number;
  /** About how much is written and synced at once. Default 8 MiB. */
  readonly batchBytesMax?: number;
  /** Bytes of records that wait for their commit, over all partitions; more is refused. Default 128 MiB. */
  readonly pendingBytesMax?: number;
  /** Newest records of each partition kept in memory for consumers that keep up. Default 8 MiB. */
  readonly recentBytesMaxPerPartition?: number;
  /**
   * Of all files; beyond it appends are refused until records are let go. 0, the default: the disk is the
   * bound. Files are kept so small that it can be kept.
   */
  readonly bytesMax?: number;
  /**
   * Called, now and then, while more than four fifths of `bytesMax` are in use: somebody had better flush.
   */
  readonly onNearlyFull?: () => void;
  /**
   * Default: true. False: appends are acknowledged before they are on the disk, which has them within a
   * second or so. A process that is killed loses nothing all the same; a power cut does.
   */
  readonly fsync?: boolean;
  /**
   * Commits side by side. One less than libuv's four threads, so that fsync never holds up all other file
   * work.
   */
  readonly commitsMax?: number;
}

const writerIdPattern = /^[0-9a-f]{32}$/;

/** A log whose partitions are recovered. */
interface OpenedLog {
  readonly partitions: readonly PartitionLog[];
  readonly damage: LogDamage[];
  readonly limits: { recordBytesMax: number; pendingBytesMax: number; bytesMax: number };
  readonly usage: DiskUsage;
  readonly onNearlyFull: () => void;
  readonly mark: DurableMark;
}

/** A write log in files of the local disk: checksummed, synced before it answers. FORMAT.md has the bytes. */
export class EmbeddedWriteLog implements WriteLog {
  readonly partitionCount: number;
  readonly recordBytesMax: number;
  readonly #partitions: readonly PartitionLog[];
  readonly #damage: LogDamage[];
  readonly #pendingBytesMax: number;
  readonly #bytesMax: number;
  readonly #usage: DiskUsage;
  readonly #onNearlyFull: () => void;
  readonly #mark: DurableMark;
  #pendingBytes = 0;
  #isClosed = false;

  private constructor({ partitions, damage, limits, usage, onNearlyFull, mark }: OpenedLog) {
    this.partitionCount = partitions.length;
    this.#partitions = partitions;
    this.#damage = damage;
    this.recordBytesMax = limits.recordBytesMax - recordHeaderBytes;
    this.#pendingBytesMax = limits.pendingBytesMax;
    this.#bytesMax = limits.bytesMax;
    this.#usage = usage;
    this.#onNearlyFull = onNearlyFull;
    this.#mark = mark;
  }

  /**
   * Opens the log and recovers every partition: the newest file is read whole, older ones when they are
   * needed.
   *
   * @throws LokiError `corrupt`, naming the path, when the newest file of a partition has lost its header,
   *   and when there are files of a partition beyond `partitionCount`, whose records nobody would read
   */
  static async open(options: EmbeddedWriteLogOptions): Promise<EmbeddedWriteLog> {
    const damage: LogDamage[] = [];
    const batchBytesMax = options.batchBytesMax ?? 8 * mib;
    const bytesMax = options.bytesMax ?? 0;
    const usage: DiskUsage = { bytes: 0 };
    const partitions: PartitionLog[] = [];
    const mark = new DurableMark(options.disk, options.timers, () =>
      partitions.map(({ durableOffset }) => durableOffset),
    );
    const context: PartitionLogDeps = {
      disk: options.disk,
      timers: options.timers,
      random: options.random,
      scheduler: new CommitScheduler(options.commitsMax ?? 3, 2 * batchBytesMax),
      fileBytesMax: fileBytesMaxOf(options, bytesMax),
      batchBytesMax,
      fsync: options.fsync ?? true,
      usage,
      recentBytesMax: options.recentBytesMaxPerPartition ?? 8 * mib,
      onDamage: (partition, path, range) => {
        const found: LogDamage = { partition, path, ...range };
        if (damage.length < damageMax) damage.push(found);
        options.logger?.error('write log: records are damaged and will not be served', { ...found });
        options.onDamage?.(found);
      },
      onDurable: () => mark.touch(),
    };
    await options.disk.makeDirectory('');
    await refuseOtherPartitions(options.disk, options.partitionCount);
    const durable = await DurableMark.read(options.disk, options.partitionCount);
    let next = 0;
    const openSome = async (): Promise<void> => {
      while (next < options.partitionCount) {
        const p = next++;
        const marks = { committed: options.atLeast?.[p] ?? 0, durable: durable[p] };
        partitions[p] = await PartitionLog.open(context, p, marks);
      }
    };
    await Promise.all(Array.from({ length: openedAtOnce }, openSome));
    const limits = {
      recordBytesMax: options.recordBytesMax ?? 32 * mib,
      pendingBytesMax: options.pendingBytesMax ?? 128 * mib,
      bytesMax,
    };
    return new EmbeddedWriteLog({
      partitions,
      damage,
      limits,
      usage,
      onNearlyFull: options.onNearlyFull ?? (() => {}),
      mark,
    });
  }

  /** The record's payload must not change afterwards: consumers may get the very same bytes. */
  async append(partition: number, record: LogRecord): Promise<number> {
    const log = this.#partition(partition);
    if (!writerIdPattern.test(record.writerId)) throw new TypeError('a writer id has 32 hex digits');
    const bytes = framedBytes(record);
    if (record.payload.length > this.recordBytesMax) {
      throw new LokiError(
        'bodyTooLarge',
        `write log: a record of ${record.payload.length} bytes exceeds ${this.recordBytesMax}`,
      );
    }
    if (this.#isClosed) throw new LokiError('logNotAcked', 'the write log is closed');
    if (this.#pendingBytes + bytes > this.#pendingBytesMax) {
      throw new LokiError('logNotAcked', 'the write log cannot keep up: too many bytes wait for the disk');
    }
    this.#checkRoom(bytes);
    this.#pendingBytes += bytes;
    try {
      return await log.append(record);
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  async read(
    partition: number,
    fromOffset: number,
    options: { bytesMax: number; waitMs: number; signal?: AbortSignal },
  ): Promise<LoggedRecord[]> {
    return this.#partition(partition).read(fromOffset, options);
  }

  async endOffset(partition: number): Promise<number> {
    return this.#partition(partition).endOffset;
  }

  async startOffset(partition: number): Promise<number> {
    return this.#partition(partition).startOffset;
  }

  async truncateBefore(partition: number, offset: number): Promise<void> {
    await this.#partition(partition).truncateBefore(offset);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#partitions.map((partition) => partition.close()));
    await this.#mark.close();
  }

  /** All damage met so far (the first thousand ranges), at opening and while reading. */
  damage(): readonly LogDamage[] {
    return this.#damage;
  }

  /** Bytes of all files. */
  get diskBytes(): number {
    return this.#usage.bytes;
  }

  #checkRoom(bytes: number): void {
    if (this.#bytesMax === 0) return;
    const used = this.#usage.bytes + this.#pendingBytes + bytes;
    if (used > this.#bytesMax * nearlyFull) this.#onNearlyFull();
    if (used <= this.#bytesMax) return;
    throw new LokiError(
      'logNotAcked',
      `the write log is full: ${this.#usage.bytes} of at most ${this.#bytesMax} bytes are not flushed yet`,
    );
  }

  #partition(partition: number): PartitionLog {
    const log = this.#partitions[partition];
    if (!log) throw new RangeError(`partition ${partition} of ${this.partitionCount}`);
    return log;
  }
}

/** Opening reads a file of each whole, and then waits for the disk to have what is written anew of it. */
const openedAtOnce = 4;

const nearlyFull = 0.8;
/** Smaller files cost more than they give. */
const fileBytesMin = 64 * 1024;

/** Whole files are let go: with a bound on all of them each partition has several within its share. */
function fileBytesMaxOf(options: EmbeddedWriteLogOptions, bytesMax: number): number {
  const given = options.fileBytesMax ?? 32 * mib;
  if (bytesMax === 0) return given;
  return Math.min(given, Math.max(fileBytesMin, Math.floor(bytesMax / (8 * options.partitionCount))));
}

/** Ranges kept for whoever asks; all are logged and counted. */
const damageMax = 1000;

async function refuseOtherPartitions(disk: Disk, partitionCount: number): Promise<void> {
  for (const name of await disk.list('')) {
    if (!/^(0|[1-9]\d{0,8})$/.test(name) || Number(name) < partitionCount) continue;
    if ((await disk.list(name)).length === 0) continue;
    throw new LokiError(
      'corrupt',
      `write log: ${name}/ holds records of a partition, but the log is opened with ${partitionCount} partitions`,
    );
  }
}
