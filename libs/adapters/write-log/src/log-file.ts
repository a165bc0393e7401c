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

/** Read at once while looking for an offset, and the least for records that are wanted. */
const chunkBytes = 1 << 20;
/** Places remembered in a file: consumers read on where they stopped. */
const placesMax = 8;

interface LogFileState {
  readonly path: string;
  readonly partition: number;
  readonly firstOffset: number;
  /** Offset after the last durable record: the next file's first offset, or where this one grows. */
  endOffset: number;
  /**
   * Durable bytes. Beyond them may stand what was never acknowledged. Of an older file: its size, once read.
   */
  length: number;
  /** undefined until the header was read. */
  salt: number | undefined;
  readonly damage: DamagedRange[];
}

/** One file of a partition: `<partition>/<20-digit first offset>.log`. */
export class LogFile {
  readonly state: LogFileState;
  readonly #disk: Disk;
  readonly #onDamage: (file: LogFile, range: DamagedRange) => void;
  #handle: DiskFile | undefined;
  /** Offset and where it stands, most recently used last. */
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
   * A new file with its header, and perhaps with records already in it. It gets its name only when all of it
   * is durable, and replaces what had that name: so a file is there whole, or not at all.
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
      await handle.close().catch(() => undefined); // the first error says why
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
   * of the file is damaged. Damage is reported when it is first met, and stepped over.
   */
  async read(fromOffset: number, bytesMax: number): Promise<LoggedRecord[]> {
    const { state } = this;
    if (!(await this.#hasHeader())) return [];
    let { offset, position } = this.#placeBefore(fromOffset);
    // Taken together: a commit that ends while this reads would otherwise add records beyond the window, and
    // a sound record cut off by it looks damaged.
    const { endOffset, length } = state;
    const window = new Window(await this.handle(), length);
    const found: LoggedRecord[] = [];
    let bytes = 0;
    while (offset < endOffset && bytes < bytesMax) {
      const known = state.damage.find((range) => range.position === position);
      if (known) {
        ({ nextPosition: position, toOffset: offset } = known);
        continue;
      }
      const wanted = offset >= fromOffset ? bytesMax - bytes : 0;
      const chunk = await window.at(position, wanted);
      const record = chunk && parseRecord(chunk, 0, state.salt!);
      if (!record || record.offset !== offset) {
        await this.#stepOver(position, offset);
        continue;
      }
      if (offset >= fromOffset) {
        const { writerId, sequence, payload } = record;
        found.push({ offset, writerId, sequence, payload });
        bytes += framedBytes(record);
      }
      position += record.framedBytes;
      offset++;
    }
    this.#remember(offset, position);
    return found;
  }

  /** Reads the header if that was not done yet; a bad one makes the whole file damaged. */
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

  /** Finds where readable records go on after a bad one, and reports what lies between. */
  async #stepOver(position: number, offset: number): Promise<void> {
    const { state } = this;
    const handle = await this.handle();
    const rest = await handle.read(position, Math.max(0, state.length - position));
    const next = findRecord(rest, 1, { above: offset, salt: state.salt! });
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

/** A stretch of a file in memory, moved forward as records are asked for. */
class Window {
  readonly #handle: DiskFile;
  readonly #length: number;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(handle: DiskFile, length: number) {
    this.#handle = handle;
    this.#length = length;
  }

  /** Bytes from `position` that hold at least one whole record; undefined when the file ends before. */
  async at(position: number, wantedBytes: number): Promise<Buffer | undefined> {
    let held = this.#held(position);
    if (held.length >= recordHeaderBytes && held.length >= claimedBytes(held, 0)) return held;
    held = await this.#fill(position, Math.max(chunkBytes, wantedBytes));
    if (held.length < recordHeaderBytes) return undefined;
    const needed = claimedBytes(held, 0);
    if (held.length >= needed) return held;
    if (position + needed > this.#length) return undefined;
    held = await this.#fill(position, needed);
    return held.length >= needed ? held : undefined;
  }

  #held(position: number): Buffer {
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

/** First offsets of the log files among a directory's names, ascending. Other names are none of ours. */
export function firstOffsets(names: readonly string[]): number[] {
  return names
    .filter((name) => namePattern.test(name))
    .map((name) => Number(name.slice(0, 20)))
    .sort((a, b) => a - b);
}
