/**
 * The mark beside the log files: how far each partition is known to have been durable. FORMAT.md draws its
 * bytes.
 */
import { crc32c } from '@loki/bytes';
import type { Disk, DiskFile, TimerHandle, Timers } from '@loki/ports';
import { getU53, putU53 } from './format.ts';

const path = 'durable';
const unfinished = 'durable.tmp';
/** Start value of its checksums: bytes of log files never pass for entries. */
const salt = 0x6d61_726b;
/** How long the mark lags behind the log: losses of a shorter time before a kill may pass for a torn tail. */
const lagMs = 200;
/** Entries are appended to the file until it has this size; an hour or so of steady appends. */
const fileBytesMax = 256 * 1024;

/**
 * Tells acknowledged records that are gone from a write that never became durable: in both cases a log file
 * just ends. Offsets that were durable are written down a moment later, apart from appends and without an
 * fsync of their own: they are true whenever they survive, and a loss of the newest entries only makes them
 * older.
 */
export class DurableMark {
  readonly #disk: Disk;
  readonly #timers: Timers;
  readonly #offsets: () => readonly number[];
  #file: DiskFile | undefined;
  #bytes = 0;
  #timer: TimerHandle | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param offsets durable offsets as they are now, by partition */
  constructor(disk: Disk, timers: Timers, offsets: () => readonly number[]) {
    this.#disk = disk;
    this.#timers = timers;
    this.#offsets = offsets;
  }

  /** Offsets below which everything was durable, by partition; 0 where nothing is known. */
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

  /** Offsets have risen. Costs a comparison while an entry is due already. */
  touch(): void {
    this.#timer ??= this.#timers.after(lagMs, () => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    });
  }

  /** Makes the offsets of this moment durable. */
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
      // Evidence for a later start, which no append waits for: the next entry begins a file of its own.
      await this.#drop();
    }
  }

  /** A file with one entry takes the place of the one before, which holds nothing newer. */
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

/** Entries up to the first that is not whole. */
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
