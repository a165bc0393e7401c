/**
 * The mark beside the log files: offsets below which each partition was durable. FORMAT.md draws its bytes.
 */
import { crc32c } from '@loki/bytes';
import type { Disk, DiskFile, TimerHandle, Timers } from '@loki/ports';
import { getU53, putU53 } from './format.ts';

const path = 'durable';
const unfinished = 'durable.tmp';
/** Start value of the mark's checksums, so that bytes of log files never look like its entries. */
const salt = 0x6d61_726b;
/** Lag of the mark behind the log: a loss of records of this time before a kill may look like a torn tail. */
const lagMs = 200;
/** Size at which the file is replaced: about an hour of steady appends. */
const fileBytesMax = 256 * 1024;

/**
 * Distinguishes lost acknowledged records from a write that never became durable: in both cases a log file
 * just ends. Durable offsets are written a moment later, separate from appends and without an fsync: a
 * surviving entry is always true, and a loss of the newest entries only makes the mark older.
 */
export class DurableMark {
  readonly #disk: Disk;
  readonly #timers: Timers;
  readonly #offsets: () => readonly number[];
  #file: DiskFile | undefined;
  #bytes = 0;
  #timer: TimerHandle | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param offsets returns the current durable offsets by partition */
  constructor(disk: Disk, timers: Timers, offsets: () => readonly number[]) {
    this.#disk = disk;
    this.#timers = timers;
    this.#offsets = offsets;
  }

  /** Reads the offsets below which everything was durable, by partition; 0: unknown. */
  static async read(disk: Disk, partitionCount: number): Promise<number[]> {
    const offsets = Array.from({ length: partitionCount }, () => 0);
    if (!(await disk.list('')).includes(path)) return offsets;
    const file = await disk.open(path, { readOnly: true });
    try {
      for (const entry of entriesOf(await file.read(0, await file.size()))) {
        entry.slice(0, partitionCount).forEach((offset, p) => (offsets[p] = Math.max(offsets[p], offset)));
      }
    } finally {
      await file.close();
    }
    return offsets;
  }

  /** Call it after offsets have risen. It costs one comparison while an entry is already scheduled. */
  touch(): void {
    this.#timer ??= this.#timers.after(lagMs, () => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    });
  }

  /** Writes the current offsets durably. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#writing = this.#writing.then(() => this.#write(true));
    await this.#writing;
    await this.#drop();
  }

  async #write(isLast = false): Promise<void> {
    const entry = encodeEntry(this.#offsets());
    try {
      if (!this.#file || this.#bytes + entry.length > fileBytesMax) await this.#renew(entry);
      else {
        await this.#file.append(entry);
        this.#bytes += entry.length;
        if (isLast) await this.#file.sync();
      }
    } catch {
      // The mark is only evidence for a later start, so no append fails for it: the next entry starts a new
      // file.
      await this.#drop();
    }
  }

  /** Replaces the file by one with only the newest entry. */
  async #renew(entry: Buffer): Promise<void> {
    await this.#drop();
    await this.#disk.remove(unfinished);
    const file = await this.#disk.open(unfinished, { create: true });
    this.#file = file;
    this.#bytes = entry.length;
    await file.append(entry);
    await file.sync();
    await this.#disk.rename(unfinished, path);
    await this.#disk.syncDirectory('');
  }

  async #drop(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined); // nothing of it is needed any more
  }
}

const entryHeaderBytes = 8;

function encodeEntry(offsets: readonly number[]): Buffer {
  const bytes = Buffer.alloc(entryHeaderBytes + 8 * offsets.length);
  bytes.writeUInt32LE(offsets.length, 4);
  offsets.forEach((offset, p) => putU53(bytes, entryHeaderBytes + 8 * p, offset));
  bytes.writeUInt32LE(crc32c(bytes, 4, bytes.length, salt), 0);
  return bytes;
}

/** The entries up to the first incomplete one. */
function* entriesOf(bytes: Buffer): Generator<number[]> {
  for (let at = 0; at + entryHeaderBytes <= bytes.length;) {
    const count = bytes.readUInt32LE(at + 4);
    const end = at + entryHeaderBytes + 8 * count;
    if (end > bytes.length || crc32c(bytes, at + 4, end, salt) !== bytes.readUInt32LE(at)) return;
    const first = at + entryHeaderBytes;
    yield Array.from({ length: count }, (_, p) => getU53(bytes, first + 8 * p));
    at = end;
  }
}
