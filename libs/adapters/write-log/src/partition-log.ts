/**
 * The log files of one partition: appends, reads, deletion of flushed files. One file, because their
 * correctness depends on the order of these steps.
 */
import { LokiError } from '@loki/model';
import type { Disk, LoggedRecord, LogRecord, TimerHandle } from '@loki/ports';
import type { Scratch } from './commit-scheduler.ts';
import { framedBytes, writeRecord } from './format.ts';
import { firstOffsets, LogFile, logFilePath, partitionDirectory } from './log-file.ts';
import type { PartitionLogDeps } from './partition-log-deps.ts';
import { RecentRecords } from './recent-records.ts';
import { recoverNewestFile } from './recovery.ts';
import type { DamagedRange } from './scan.ts';

/** Offsets that were used before, regardless of the files. */
interface KnownOffsets {
  /** Records below it are committed, so the log need not have them. */
  readonly committed: number;
  /** Records below it were durable. */
  readonly durable: number;
}

/** Without fsync: time after which an acknowledged append is on the disk. */
const syncMs = 1_000;

interface PendingAppend {
  readonly record: LogRecord;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: LokiError) => void;
}

/**
 * One partition: its files, oldest first, the appends that wait for their commit, and the readers that wait
 * for records.
 */
export class PartitionLog {
  readonly #deps: PartitionLogDeps;
  readonly #partition: number;
  readonly #files: LogFile[] = [];
  readonly #recent: RecentRecords;
  /** The file for appends: the last of `#files`, or none after a failure and before the first append. */
  #active: LogFile | undefined;
  #lastRead: LogFile | undefined;
  #nextOffset = 0;
  /** All records below it are on the disk. */
  #durableOffset = 0;
  #syncTimer: TimerHandle | undefined;
  /** The counted bytes of older files. */
  readonly #olderBytes = new Map<LogFile, number>();
  #pending: PendingAppend[] = [];
  #committing: Promise<void> | undefined;
  readonly #readers = new Set<() => void>();
  /**
   * The last disk operation. Reads and removals of files run one after another, so that no file is closed
   * during a read.
   */
  #diskTurn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(deps: PartitionLogDeps, partition: number) {
    this.#deps = deps;
    this.#partition = partition;
    this.#recent = new RecentRecords(deps.recentBytesMax);
  }

  /** Recovers a partition: older files unchanged, the newest one up to its last complete record. */
  static async open(deps: PartitionLogDeps, partition: number, floor: KnownOffsets): Promise<PartitionLog> {
    const log = new PartitionLog(deps, partition);
    const offsets = firstOffsets(await deps.disk.list(partitionDirectory(partition)));
    for (let i = 0; i < offsets.length - 1; i++) await log.#addOlderFile(offsets[i], offsets[i + 1]);
    const firstOffset = offsets.at(-1);
    if (firstOffset !== undefined) {
      const place = { partition, firstOffset, knownOffset: Math.max(floor.committed, floor.durable) };
      const { files, active, endOffset } = await recoverNewestFile(deps, place, log.#reportDamage);
      log.#files.push(...files);
      for (const { state } of files) deps.usage.bytes += state.length;
      log.#active = active;
      log.#nextOffset = endOffset;
    }
    log.#skipTo(floor);
    // Recovery has rewritten the newest records durably.
    log.#durableOffset = log.#nextOffset;
    return log;
  }

  /** All records below it are on the disk. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  get endOffset(): number {
    return this.#nextOffset;
  }

  get startOffset(): number {
    return this.#files[0]?.state.firstOffset ?? this.#nextOffset;
  }

  append(record: LogRecord): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ record, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  async read(
    fromOffset: number,
    options: { bytesMax: number; waitMs: number; signal?: AbortSignal },
  ): Promise<LoggedRecord[]> {
    options.signal?.throwIfAborted();
    for (let isFirst = true; ; isFirst = false) {
      const end = this.#nextOffset;
      const records = await this.#readNow(fromOffset, options.bytesMax);
      if (records.length > 0 || !isFirst || options.waitMs <= 0 || this.#isClosed) return records;
      if (this.#nextOffset === end || fromOffset >= this.#nextOffset) {
        await this.#waitForAppend(options.waitMs, options.signal);
      }
    }
  }

  /** The records that can be read now: from memory if possible, else from the files, one after another. */
  async #readNow(fromOffset: number, bytesMax: number): Promise<LoggedRecord[]> {
    const records: LoggedRecord[] = [];
    let bytes = 0;
    for (let offset = fromOffset; offset < this.#nextOffset && bytes < bytesMax && !this.#isClosed;) {
      const recent = this.#recent.from(offset, bytesMax - bytes);
      if (recent) return records.length === 0 ? recent : [...records, ...recent];
      const file = this.#fileOf(offset);
      if (!file) break;
      const start = Math.max(offset, file.state.firstOffset);
      const fileRecords = await this.#inTurn(() => this.#readFile(file, start, bytesMax - bytes));
      for (const record of fileRecords) bytes += framedBytes(record);
      records.push(...fileRecords);
      // No record: the file is damaged to its end, or was removed in the meantime.
      const last = fileRecords.at(-1);
      offset = last ? last.offset + 1 : this.#files.includes(file) ? file.state.endOffset : this.startOffset;
    }
    return records;
  }

  async #readFile(file: LogFile, fromOffset: number, bytesMax: number): Promise<LoggedRecord[]> {
    if (this.#isClosed || !this.#files.includes(file)) return [];
    if (this.#lastRead !== file) {
      // Only one older file is open at a time.
      if (this.#lastRead && this.#lastRead !== this.#active) await this.#lastRead.close();
      this.#lastRead = file;
    }
    try {
      return await file.read(fromOffset, bytesMax);
    } catch (cause) {
      throw new LokiError('unavailable', `write log: ${file.state.path} cannot be read: ${textOf(cause)}`, {
        cause,
      });
    }
  }

  /**
   * Removes the files whose records are all below `offset`. The newest file stays, because its name keeps the
   * offset; if its records are all below `offset` too and no append is in progress, an empty file replaces it
   * first.
   */
  async truncateBefore(offset: number): Promise<void> {
    await this.#renewIdle(offset);
    await this.#inTurn(async () => {
      while (this.#files.length > 1 && this.#files[1].state.firstOffset <= offset) {
        const file = this.#files[0];
        await file.close();
        await this.#deps.disk.remove(file.state.path);
        // One at a time: a removal that a crash undoes must not leave a gap.
        await this.#deps.disk.syncDirectory(partitionDirectory(this.#partition));
        this.#files.shift();
        this.#forget(file);
      }
    });
  }

  /** Waits for appends in progress; no append may follow. */
  async close(): Promise<void> {
    while (this.#committing) await this.#committing;
    this.#isClosed = true;
    this.#wakeReaders();
    this.#syncTimer?.cancel();
    if (!this.#deps.fsync) await this.#syncActive();
    await this.#inTurn(async () => {
      for (const file of this.#files) await file.close();
    });
  }

  // ---- appending

  async #renewIdle(offset: number): Promise<void> {
    const isDead = this.#active && !this.#active.isEmpty && offset >= this.#nextOffset;
    if (!isDead || this.#committing || this.#isClosed) return;
    // A full disk may refuse the new file; then the old one stays.
    const renewed = this.#startFile().then(
      () => undefined,
      () => undefined,
    );
    // Appends that arrive in the meantime wait for it.
    this.#committing = renewed.then(() => this.#commitAll());
    await renewed;
  }

  async #commitAll(): Promise<void> {
    while (this.#pending.length > 0) {
      await this.#deps.scheduler.run(async (scratch) => {
        const batch = this.#takeBatch();
        try {
          await this.#commit(batch, scratch);
        } catch (error) {
          const failure = notAcked(error);
          for (const each of batch) each.reject(failure);
        }
      });
    }
    this.#committing = undefined;
  }

  #takeBatch(): PendingAppend[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#pending.length && (count === 0 || bytes < this.#deps.batchBytesMax)) {
      bytes += framedBytes(this.#pending[count++].record);
    }
    const batch = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    return batch;
  }

  /** Writes a batch after the last durable record, makes it durable, then visible. */
  async #commit(batch: readonly PendingAppend[], scratch: Scratch): Promise<void> {
    const file = await this.#fileForAppend();
    const bytes = this.#encode(batch, file.state.salt!, scratch);
    const handle = await file.handle();
    try {
      await handle.append(bytes);
    } catch (error) {
      await this.#cutBack(file);
      throw error;
    }
    if (this.#deps.fsync) {
      try {
        await handle.sync();
      } catch (error) {
        await this.#giveUp(file);
        throw error;
      }
      this.#durableOffset = this.#nextOffset + batch.length;
      this.#deps.onDurable();
    } else this.#syncLater();
    file.state.length += bytes.length;
    this.#deps.usage.bytes += bytes.length;
    const firstOffset = this.#nextOffset;
    this.#nextOffset += batch.length;
    file.state.endOffset = this.#nextOffset;
    batch.forEach(({ record, resolve }, i) => {
      const { writerId, sequence, payload } = record;
      this.#recent.push({ offset: firstOffset + i, writerId, sequence, payload });
      resolve(firstOffset + i);
    });
    this.#wakeReaders();
  }

  #encode(batch: readonly PendingAppend[], salt: number, scratch: Scratch): Buffer {
    const total = batch.reduce((sum, each) => sum + framedBytes(each.record), 0);
    const bytes = scratch.take(total);
    let at = 0;
    batch.forEach(({ record }, i) => {
      const offset = this.#nextOffset + i;
      at = writeRecord(bytes, at, record, { offset, durableOffset: this.#durableOffset, salt });
    });
    return bytes;
  }

  /** The active file; a new one if there is none or it is full. */
  async #fileForAppend(): Promise<LogFile> {
    if (this.#active && this.#active.state.length < this.#deps.fileBytesMax) return this.#active;
    return this.#startFile();
  }

  async #startFile(): Promise<LogFile> {
    const stale = this.#files.at(-1);
    if (stale?.isEmpty && stale.state.firstOffset === this.#nextOffset) {
      // The file failed before it had a record: the new file takes its name.
      await this.#inTurn(() => stale.close());
      this.#files.pop();
      this.#forget(stale);
    }
    // A file must be completely on the disk before another one follows.
    if (!this.#deps.fsync) await this.#syncActive();
    const { disk, random } = this.#deps;
    const place = { partition: this.#partition, firstOffset: this.#nextOffset, salt: random.uint32() };
    const file = await LogFile.create(disk, place, this.#reportDamage);
    const full = this.#active;
    this.#files.push(file);
    this.#deps.usage.bytes += file.state.length;
    // If the previous file has lost records, its reader finds them as damage.
    this.#durableOffset = Math.max(this.#durableOffset, place.firstOffset);
    this.#active = file;
    if (full && full !== this.#lastRead) await this.#inTurn(() => full.close());
    return file;
  }

  /**
   * After a failed write: removes the partly written bytes, so that the next batch starts at the same place.
   */
  async #cutBack(file: LogFile): Promise<void> {
    try {
      await (await file.handle()).truncate(file.state.length);
    } catch {
      // The file cannot be shortened: the first offset of the next file marks its end.
      this.#active = undefined;
    }
  }

  /**
   * After a failed fsync the bytes since the last one are undefined: the system may mark pages clean that
   * never reached the disk. The file ends where it was durable and is not written again.
   */
  async #giveUp(file: LogFile): Promise<void> {
    await this.#cutBack(file);
    this.#active = undefined;
  }

  #syncLater(): void {
    this.#syncTimer ??= this.#deps.timers.after(syncMs, () => {
      this.#syncTimer = undefined;
      void this.#syncActive();
    });
  }

  /**
   * Syncs the active file without waiting for appends. A file that cannot be synced is not written again,
   * because its bytes may be lost.
   */
  async #syncActive(): Promise<void> {
    const file = this.#active;
    if (!file || this.#durableOffset >= this.#nextOffset) return;
    const endOffset = this.#nextOffset;
    try {
      await (await file.handle()).sync();
      this.#durableOffset = Math.max(this.#durableOffset, endOffset);
      this.#deps.onDurable();
    } catch {
      if (this.#active === file) this.#active = undefined;
    }
  }

  #forget(file: LogFile): void {
    this.#deps.usage.bytes -= this.#olderBytes.get(file) ?? file.state.length;
    this.#olderBytes.delete(file);
  }

  // ---- reading

  /** The file with `offset`, or the first one after it. */
  #fileOf(offset: number): LogFile | undefined {
    return this.#files.find((file) => offset < file.state.endOffset);
  }

  async #waitForAppend(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        timer.cancel();
        this.#readers.delete(finish);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = this.#deps.timers.after(waitMs, finish);
      this.#readers.add(finish);
      signal?.addEventListener('abort', finish, { once: true });
    });
    signal?.throwIfAborted();
  }

  #wakeReaders(): void {
    for (const wake of this.#readers) wake();
  }

  #inTurn<T>(action: () => Promise<T> | T): Promise<T> {
    const turn = this.#diskTurn.then(action);
    this.#diskTurn = turn.catch(() => undefined); // the caller gets the failure from `done`
    return turn;
  }

  // ---- recovery

  /**
   * Continues at the highest known offset. Files that end before it have lost records that were durable but
   * not committed.
   */
  #skipTo({ committed, durable }: KnownOffsets): void {
    const toOffset = Math.max(committed, durable);
    if (this.#nextOffset >= toOffset) return;
    const fromOffset = Math.max(this.#nextOffset, committed);
    if (fromOffset < toOffset) {
      const last = this.#files.at(-1)?.state;
      const position = last?.length ?? 0;
      const range = { position, nextPosition: position, fromOffset, toOffset };
      this.#deps.onDamage(this.#partition, last?.path ?? `${partitionDirectory(this.#partition)}/`, range);
    }
    this.#active = undefined; // the next file's name has the next offset
    this.#nextOffset = toOffset;
  }

  async #addOlderFile(firstOffset: number, endOffset: number): Promise<void> {
    const { disk, usage } = this.#deps;
    const partition = this.#partition;
    const path = logFilePath(partition, firstOffset);
    const state = { path, partition, firstOffset, endOffset, length: 0, salt: undefined, damage: [] };
    const file = new LogFile(disk, state, this.#reportDamage);
    this.#files.push(file);
    const bytes = await sizeOf(disk, path);
    this.#olderBytes.set(file, bytes);
    usage.bytes += bytes;
  }

  readonly #reportDamage = (file: LogFile, range: DamagedRange): void => {
    this.#deps.onDamage(this.#partition, file.state.path, range);
  };
}

/** A file that cannot be opened counts as 0 bytes; its reader reports the reason. */
async function sizeOf(disk: Disk, path: string): Promise<number> {
  try {
    const handle = await disk.open(path, { readOnly: true });
    try {
      return await handle.size();
    } finally {
      await handle.close();
    }
  } catch {
    return 0;
  }
}

function notAcked(cause: unknown): LokiError {
  return new LokiError('logNotAcked', `the write log could not store the records: ${textOf(cause)}`, {
    cause,
  });
}

function textOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error);
}
