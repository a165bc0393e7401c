/** The write log in files of this process: step *write log* of a written line. */
import { LokiError, mib } from '@loki/model';
import type { Disk, LoggedRecord, Logger, LogRecord, Random, Timers, WriteLog } from '@loki/ports';
import { CommitScheduler } from './commit-scheduler.ts';
import { DurableMark } from './durable-mark.ts';
import { framedBytes, recordHeaderBytes } from './format.ts';
import type { DiskUsage, PartitionLogDeps } from './partition-log-deps.ts';
import { PartitionLog } from './partition-log.ts';

/** Acknowledged records that cannot be read any more. */
interface LogDamage {
  readonly partition: number;
  readonly path: string;
  readonly fromOffset: number;
  /** Exclusive. */
  readonly toOffset: number;
  /** The damaged bytes of the file, [position, nextPosition). */
  readonly position: number;
  readonly nextPosition: number;
}

export interface EmbeddedWriteLogOptions {
  /** A directory for this log only. */
  readonly disk: Disk;
  readonly timers: Timers;
  readonly random: Random;
  readonly partitionCount: number;
  /**
   * Per partition: an offset below which records have existed (the catalog's end). New records never get a
   * lower offset, even if the log's files were lost: they would look like records that are flushed already.
   */
  readonly atLeast?: readonly number[];
  readonly logger?: Logger;
  /** Called once for each damaged range, when it is found. */
  readonly onDamage?: (damage: LogDamage) => void;
  /** Size after which a new file is started. Truncation removes whole files. Default 32 MiB. */
  readonly fileBytesMax?: number;
  /** Largest record with payload and frame; larger ones are refused. Default 32 MiB. */
  readonly recordBytesMax?: number;
  /** Approximate bytes of one write and sync. Default 8 MiB. */
  readonly batchBytesMax?: number;
  /**
   * Most bytes of records that wait for their commit, over all partitions; further ones are refused. Default
   * 128 MiB.
   */
  readonly pendingBytesMax?: number;
  /** Most bytes of each partition's newest records in memory, for consumers that keep up. Default 8 MiB. */
  readonly recentBytesMaxPerPartition?: number;
  /**
   * Most bytes of all files; beyond it appends are refused until records are truncated. 0, the default: only
   * the disk bounds them. Files are made small enough for this bound.
   */
  readonly bytesMax?: number;
  /** Called from time to time while more than four fifths of `bytesMax` are in use, to request a flush. */
  readonly onNearlyFull?: () => void;
  /**
   * Default: true. False: appends are acknowledged about a second before they are on the disk. Then a killed
   * process loses nothing, but a power failure may lose records.
   */
  readonly fsync?: boolean;
  /**
   * Most parallel commits. One less than libuv's four threads, so that fsync never blocks all other file
   * access.
   */
  readonly commitsMax?: number;
}

const writerIdPattern = /^[0-9a-f]{32}$/;

/** An opened log with recovered partitions. */
interface OpenedLog {
  readonly partitions: readonly PartitionLog[];
  readonly damage: LogDamage[];
  readonly limits: { recordBytesMax: number; pendingBytesMax: number; bytesMax: number };
  readonly usage: DiskUsage;
  readonly onNearlyFull: () => void;
  readonly mark: DurableMark;
}

/**
 * A write log in files of the local disk: with checksums, and synced before it acknowledges. FORMAT.md draws
 * the bytes.
 */
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
   * Opens the log and recovers every partition: the newest file is read completely, older ones when they are
   * needed.
   *
   * @throws LokiError `corrupt`, with the path, when the newest file of a partition has lost its header, and
   *   when files of a partition beyond `partitionCount` exist, whose records would not be read
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
        const damagedRange: LogDamage = { partition, path, ...range };
        if (damage.length < damageMax) damage.push(damagedRange);
        options.logger?.error('write log: records are damaged and will not be served', { ...damagedRange });
        options.onDamage?.(damagedRange);
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

  /** The caller must not change the record's payload afterwards: consumers may get the same buffer. */
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

  /** All damage found so far (the first thousand ranges), at the start and while reading. */
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

/**
 * The start reads one file of each partition completely, and then waits until the disk has its rewritten
 * records.
 */
const openedAtOnce = 4;

const nearlyFull = 0.8;
/** Smallest size of files: smaller ones are not worth their cost. */
const fileBytesMin = 64 * 1024;

/**
 * The file size for a bound on all files: truncation removes whole files, so each partition should have
 * several in its share.
 */
function fileBytesMaxOf(options: EmbeddedWriteLogOptions, bytesMax: number): number {
  const configured = options.fileBytesMax ?? 32 * mib;
  if (bytesMax === 0) return configured;
  return Math.min(configured, Math.max(fileBytesMin, Math.floor(bytesMax / (8 * options.partitionCount))));
}

/** Most ranges that are kept for `damage`; all are logged and counted. */
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
