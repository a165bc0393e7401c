/** The log files of one partition: appends, reads, deletion of flushed files. */
import { LokiError } from '@loki/model';
import type { Disk, LoggedRecord, LogRecord, TimerHandle } from '@loki/ports';
import type { Scratch } from './commit-scheduler.ts';
import { framedBytes, writeRecord } from './format.ts';
import { firstOffsets, LogFile, logFilePath, partitionDirectory } from './log-file.ts';
import type { PartitionLogDeps } from './partition-log-deps.ts';
import { RecentRecords } from './recent-records.ts';
import { recoverNewestFile } from './recovery.ts';
import type { DamagedRange } from './scan.ts';

/** Offsets that were given out before, whatever the files say. */
interface KnownOffsets {
  /** Records below are committed: the log need not have them. */
  readonly committed: number;
  /** Records below were durable. */
  readonly durable: number;
}

/** Without fsync: how long an acknowledged append may be missing on the disk. */
const syncMs = 1_000;

interface PendingAppend {
  readonly record: LogRecord;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: LokiError) => void;
}

/**
 * One partition: its files, oldest first, the appends that wait for their commit, the readers that wait for
 * records.
 */
export class PartitionLog {
  readonly #deps: PartitionLogDeps;
  readonly #partition: number;
  readonly #files: LogFile[] = [];
  readonly #recent: RecentRecords;
  /**
   * The file that appends go to: the last of `#files`, or none after a failure and before the first append.
   */
  #active: LogFile | undefined;
  #lastRead: LogFile | undefined;
  #nextOffset = 0;
  /** All records below are on the disk. */
  #durableOffset = 0;
  #syncTimer: TimerHandle | undefined;
  /** The bytes that older files count for. */
  readonly #olderBytes = new Map<LogFile, number>();
  #pending: PendingAppend[] = [];
  #committing: Promise<void> | undefined;
  readonly #readers = new Set<() => void>();
  /** Reads from disk and removals of files take turns, so that no file is closed under a reader. */
  #diskTurn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(deps: PartitionLogDeps, partition: number) {
    this.#deps = deps;
    this.#partition = partition;
    this.#recent = new RecentRecords(deps.recentBytesMax);
  }

  /** Recovers what survived: older files as they are, the newest one up to its last whole record. */
  static async open(deps: PartitionLogDeps, partition: number, known: KnownOffsets): Promise<PartitionLog> {
    const log = new PartitionLog(deps, partition);
    const offsets = firstOffsets(await deps.disk.list(partitionDirectory(partition)));
    for (let i = 0; i < offsets.length - 1; i++) await log.#addOlderFile(offsets[i], offsets[i + 1]);
    const firstOffset = offsets.at(-1);
    if (firstOffset !== undefined) {
      const place = { partition, firstOffset, knownOffset: Math.max(known.committed, known.durable) };
      const { files, active, endOffset } = await recoverNewestFile(deps, place, log.#reportDamage);
      log.#files.push(...files);
      for (const { state } of files) deps.usage.bytes += state.length;
      log.#active = active;
      log.#nextOffset = endOffset;
    }
    log.#skipTo(known);
    // Recovery has written its records anew.
    log.#durableOffset = log.#nextOffset;
    return log;
  }

  /** All records below are on the disk. */
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
      const found = await this.#readNow(fromOffset, options.bytesMax);
      if (found.length > 0 || !isFirst || options.waitMs <= 0 || this.#isClosed) return found;
      if (this.#nextOffset === end || fromOffset >= this.#nextOffset) {
        await this.#waitForAppend(options.waitMs, options.signal);
      }
    }
  }

  /**
   * The records that can be read now: from memory if they are there, else from the files, one after another.
   */
  async #readNow(fromOffset: number, bytesMax: number): Promise<LoggedRecord[]> {
    const found: LoggedRecord[] = [];
    let bytes = 0;
    for (let offset = fromOffset; offset < this.#nextOffset && bytes < bytesMax && !this.#isClosed;) {
      const recent = this.#recent.from(offset, bytesMax - bytes);
      if (recent) return found.length === 0 ? recent : [...found, ...recent];
      const file = this.#fileOf(offset);
      if (!file) break;
      const start = Math.max(offset, file.state.firstOffset);
      const some = await this.#inTurn(() => this.#readFile(file, start, bytesMax - bytes));
      for (const record of some) bytes += framedBytes(record);
      found.push(...some);
      // Nothing there: damaged to the end, or removed meanwhile.
      const last = some.at(-1);
      offset = last ? last.offset + 1 : this.#files.includes(file) ? file.state.endOffset : this.startOffset;
    }
    return found;
  }

  async #readFile(file: LogFile, fromOffset: number, bytesMax: number): Promise<LoggedRecord[]> {
    if (this.#isClosed || !this.#files.includes(file)) return [];
    if (this.#lastRead !== file) {
      // One older file is open at a time, however many there are.
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
   * Removes the files whose records all lie below `offset`. The newest file stays, its name keeps the count;
   * when its records are dead too and nothing is being appended, an empty one takes its place first.
   */
  async truncateBefore(offset: number): Promise<void> {
    await this.#renewIdle(offset);
    await this.#inTurn(async () => {
      while (this.#files.length > 1 && this.#files[1].state.firstOffset <= offset) {
        const file = this.#files[0];
        await file.close();
        await this.#deps.disk.remove(file.state.path);
        // One at a time: a removal that a crash undoes must not leave a hole behind it.
        await this.#deps.disk.syncDirectory(partitionDirectory(this.#partition));
        this.#files.shift();
        this.#forget(file);
      }
    });
  }

  /** Waits for the appends under way; nothing may be appended afterwards. */
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
    // A full disk may refuse the new file: then the old one stays for now.
    const renewed = this.#startFile().then(
      () => undefined,
      () => undefined,
    );
    // Appends that come meanwhile wait for their turn behind it.
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

  /** The active file, or a new one when there is none or it is full. */
  async #fileForAppend(): Promise<LogFile> {
    if (this.#active && this.#active.state.length < this.#deps.fileBytesMax) return this.#active;
    return this.#startFile();
  }

  async #startFile(): Promise<LogFile> {
    const stale = this.#files.at(-1);
    if (stale?.isEmpty && stale.state.firstOffset === this.#nextOffset) {
      // Given up before it held a record: the new file takes its name.
      await this.#inTurn(() => stale.close());
      this.#files.pop();
      this.#forget(stale);
    }
    // A file that is followed by another one is on the disk whole.
    if (!this.#deps.fsync) await this.#syncActive();
    const { disk, random } = this.#deps;
    const place = { partition: this.#partition, firstOffset: this.#nextOffset, salt: random.uint32() };
    const file = await LogFile.create(disk, place, this.#reportDamage);
    const full = this.#active;
    this.#files.push(file);
    this.#deps.usage.bytes += file.state.length;
    // Should the file before it have lost something, its reader meets it as damage.
    this.#durableOffset = Math.max(this.#durableOffset, place.firstOffset);
    this.#active = file;
    if (full && full !== this.#lastRead) await this.#inTurn(() => full.close());
    return file;
  }

  /**
   * After a failed write: what was written in part goes, so that the next batch stands where this one should
   * have.
   */
  async #cutBack(file: LogFile): Promise<void> {
    try {
      await (await file.handle()).truncate(file.state.length);
    } catch {
      // It cannot even be shortened: the next file's first offset will say where this one ends.
      this.#active = undefined;
    }
  }

  /**
   * After a failed fsync nothing is known of the bytes that were written since the last one: the system may
   * call pages clean that never reached the disk. The file ends where it was durable, and is not written
   * again.
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
   * Without waiting for appends. A file that cannot be synced is not written again: what it has may be lost.
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

  /** The file that holds `offset`, or the first one after it. */
  #fileOf(offset: number): LogFile | undefined {
    return this.#files.find((file) => offset < file.state.endOffset);
  }

  async #waitForAppend(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#readers.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.#deps.timers.after(waitMs, done);
      this.#readers.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
    signal?.throwIfAborted();
  }

  #wakeReaders(): void {
    for (const wake of this.#readers) wake();
  }

  #inTurn<T>(action: () => Promise<T> | T): Promise<T> {
    const done = this.#diskTurn.then(action);
    this.#diskTurn = done.catch(() => undefined); // the caller hears of it through `done`
    return done;
  }

  // ---- recovery

  /** Offsets go on where they were: files that end before have lost what was durable and is not committed. */
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
    this.#active = undefined; // the next file's name says where offsets go on
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

/** A file that cannot be opened now counts for nothing: its reader says why. */
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
