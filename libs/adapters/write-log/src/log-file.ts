/** One file of the embedded log: append, read, and damage inside it. */
import type { Disk, DiskFile, LoggedRecord } from '@loki/ports';
import {
  claimedBytes,
  encodeFileHeader,
  fileHeaderBytes,
  framedBytes,
  headerOf,
  parseRecord,
  recordHeaderBytes,
} from './format.ts';
import { findRecord } from './scan.ts';
import type { DamagedRange } from './scan.ts';

/** Bytes of one read while an offset is searched, and the minimum for records. */
const chunkBytes = 1 << 20;
/** Maximum of cached positions in a file: consumers continue where they stopped. */
const placesMax = 8;

interface LogFileState {
  readonly path: string;
  readonly partition: number;
  readonly firstOffset: number;
  /** Offset after the last durable record: the first offset of the next file, or of the next append. */
  endOffset: number;
  /**
   * Durable bytes; bytes after them were never acknowledged. For an older file: its size, after it was read.
   */
  length: number;
  /** undefined before the header is read. */
  salt: number | undefined;
  readonly damage: DamagedRange[];
}

/** One file of a partition: `<partition>/<20-digit first offset>.log`. */
export class LogFile {
  readonly state: LogFileState;
  readonly #disk: Disk;
  readonly #onDamage: (file: LogFile, range: DamagedRange) => void;
  #handle: DiskFile | undefined;
  /** Positions by offset, the most recently used last. */
  readonly #places = new Map<number, number>();

  constructor(
    disk: Disk,
    state: LogFileState,
    onDamage: (file: LogFile, range: DamagedRange) => void,
    handle?: DiskFile,
  ) {
    this.#disk = disk;
    this.state = state;
    this.#onDamage = onDamage;
    this.#handle = handle;
  }

  /**
   * Creates a file with its header and optionally records. It gets its name only when all of it is durable,
   * and replaces a file of that name: so a file exists completely or not at all.
   */
  static async create(
    disk: Disk,
    place: { partition: number; firstOffset: number; salt: number },
    onDamage: (file: LogFile, range: DamagedRange) => void,
    records: { bytes: Buffer; count: number } = { bytes: Buffer.alloc(0), count: 0 },
  ): Promise<LogFile> {
    const { partition, firstOffset, salt } = place;
    const directory = partitionDirectory(partition);
    const path = logFilePath(partition, firstOffset);
    const unfinished = `${directory}/unfinished.tmp`;
    await disk.makeDirectory(directory);
    await disk.remove(unfinished);
    const handle = await disk.open(unfinished, { create: true });
    try {
      await handle.append(Buffer.concat([encodeFileHeader(place), records.bytes]));
      await handle.sync();
      await disk.rename(unfinished, path);
      await disk.syncDirectory(directory);
    } catch (error) {
      await handle.close().catch(() => undefined); // the first error has the cause
      throw error;
    }
    const endOffset = firstOffset + records.count;
    const length = fileHeaderBytes + records.bytes.length;
    return new LogFile(
      disk,
      { path, partition, firstOffset, endOffset, length, salt, damage: [] },
      onDamage,
      handle,
    );
  }

  get isEmpty(): boolean {
    return this.state.endOffset === this.state.firstOffset;
  }

  async handle(): Promise<DiskFile> {
    this.#handle ??= await this.#disk.open(this.state.path);
    return this.#handle;
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  /**
   * Records from `fromOffset` on, about `bytesMax` and at least one, up to the file's end; [] when the rest
   * of the file is damaged. Damage is reported when it is found first, and skipped.
   */
  async read(fromOffset: number, bytesMax: number): Promise<LoggedRecord[]> {
    const { state } = this;
    if (!(await this.#hasHeader())) return [];
    let { offset, position } = this.#placeBefore(fromOffset);
    // Both values are read together: a commit that ends during this read would otherwise add records beyond
    // the window, and an intact record at its end would look damaged.
    const { endOffset, length } = state;
    const window = new Window(await this.handle(), length);
    const records: LoggedRecord[] = [];
    let bytes = 0;
    while (offset < endOffset && bytes < bytesMax) {
      const damagedRange = state.damage.find((range) => range.position === position);
      if (damagedRange) {
        ({ nextPosition: position, toOffset: offset } = damagedRange);
        continue;
      }
      const bytesWanted = offset >= fromOffset ? bytesMax - bytes : 0;
      const chunk = await window.at(position, bytesWanted);
      const record = chunk && parseRecord(chunk, 0, state.salt!);
      if (!record || record.offset !== offset) {
        await this.#stepOver(position, offset);
        continue;
      }
      if (offset >= fromOffset) {
        const { writerId, sequence, payload } = record;
        records.push({ offset, writerId, sequence, payload });
        bytes += framedBytes(record);
      }
      position += record.framedBytes;
      offset++;
    }
    this.#remember(offset, position);
    return records;
  }

  /** Reads the header if necessary; with a damaged header the whole file is damaged. */
  async #hasHeader(): Promise<boolean> {
    const { state } = this;
    if (state.salt !== undefined) return true;
    if (state.damage.length > 0) return false;
    const handle = await this.handle();
    state.length = await handle.size();
    const header = headerOf(await handle.read(0, Math.min(state.length, chunkBytes)), state);
    if (header?.firstOffset !== state.firstOffset || header.partition !== state.partition) {
      this.#report({
        position: 0,
        nextPosition: state.length,
        fromOffset: state.firstOffset,
        toOffset: state.endOffset,
      });
      return false;
    }
    state.salt = header.salt;
    return true;
  }

  /** Finds the next readable record after a damaged one, and reports the range between. */
  async #stepOver(position: number, offset: number): Promise<void> {
    const { state } = this;
    const handle = await this.handle();
    const tail = await handle.read(position, Math.max(0, state.length - position));
    const next = findRecord(tail, 1, { offsetFloor: offset, salt: state.salt! });
    const isInside = next !== undefined && next.offset < state.endOffset;
    this.#report({
      position,
      nextPosition: isInside ? position + next.position : state.length,
      fromOffset: offset,
      toOffset: isInside ? next.offset : state.endOffset,
    });
  }

  #report(range: DamagedRange): void {
    this.state.damage.push(range);
    this.#onDamage(this, range);
  }

  #placeBefore(fromOffset: number): { offset: number; position: number } {
    let best = { offset: this.state.firstOffset, position: fileHeaderBytes };
    for (const [offset, position] of this.#places) {
      if (offset <= fromOffset && offset > best.offset) best = { offset, position };
    }
    return best;
  }

  #remember(offset: number, position: number): void {
    this.#places.delete(offset);
    this.#places.set(offset, position);
    if (this.#places.size > placesMax) this.#places.delete(this.#places.keys().next().value!);
  }
}

/** A window of a file in memory, which moves forward as records are read. */
class Window {
  readonly #handle: DiskFile;
  readonly #length: number;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(handle: DiskFile, length: number) {
    this.#handle = handle;
    this.#length = length;
  }

  /** Bytes from `position` with at least one complete record; undefined when the file ends before. */
  async at(position: number, wantedBytes: number): Promise<Buffer | undefined> {
    let chunk = this.#bytesAt(position);
    if (chunk.length >= recordHeaderBytes && chunk.length >= claimedBytes(chunk, 0)) return chunk;
    chunk = await this.#fill(position, Math.max(chunkBytes, wantedBytes));
    if (chunk.length < recordHeaderBytes) return undefined;
    const needed = claimedBytes(chunk, 0);
    if (chunk.length >= needed) return chunk;
    if (position + needed > this.#length) return undefined;
    chunk = await this.#fill(position, needed);
    return chunk.length >= needed ? chunk : undefined;
  }

  #bytesAt(position: number): Buffer {
    const at = position - this.#start;
    return at >= 0 && at <= this.#bytes.length ? this.#bytes.subarray(at) : Buffer.alloc(0);
  }

  async #fill(position: number, count: number): Promise<Buffer> {
    const length = Math.max(0, Math.min(count, this.#length - position));
    this.#bytes = await this.#handle.read(position, length);
    this.#start = position;
    return this.#bytes;
  }
}

const namePattern = /^\d{20}\.log$/;

export function partitionDirectory(partition: number): string {
  return String(partition);
}

export function logFilePath(partition: number, firstOffset: number): string {
  return `${partitionDirectory(partition)}/${String(firstOffset).padStart(20, '0')}.log`;
}

/** First offsets of the log files among a directory's names, ascending. Other names are ignored. */
export function firstOffsets(names: readonly string[]): number[] {
  return names
    .filter((name) => namePattern.test(name))
    .map((name) => Number(name.slice(0, 20)))
    .sort((a, b) => a - b);
}
