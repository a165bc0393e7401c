/** Reads a segment from the object store, a footer and then blocks: step *fetch, scan* of a query. */
import type { ObjectStore } from '@loki/ports';
import type { StoredBlockInfo } from './block-table.ts';
import { blockInfo, StoredBlock, unitsOf } from './block.ts';
import { corrupt } from './corrupt.ts';
import { footerBytesNeeded, readFooter } from './layout.ts';
import type { RawFooter } from './layout.ts';
import { OpenFooter } from './open.ts';
import type { Block, ColumnMask, FetchOptions, Section, StoredSegment } from './types.ts';
import type { UnitRef } from './unit.ts';

/** First read of the object's tail. It usually contains the footer, and often the timestamps before it. */
const tailBytesGuess = 64 << 10;
/**
 * Largest gap of unneeded bytes that is read to save a request (10 ms at 100 MB/s is 1 MB; stores charge per
 * request).
 */
const gapBytesMax = 256 << 10;
/** Most bytes of one request, unless a single unit is larger: data that arrives early can be used early. */
const rangeBytesMax = 8 << 20;
/** Most parallel requests of one `fetchBlocks`. */
const requestsMax = 8;

/** Bytes [start, end) of the object that one request reads. */
interface Range {
  readonly start: number;
  end: number;
}

/** The units that one fetch has read, from blocks of one section. */
interface FetchedUnits {
  readonly fetched: ReadonlyMap<UnitRef, Uint8Array>;
  readonly metadataNames: readonly string[] | undefined;
  /** The section's name in errors. */
  readonly place: string;
}

class ReadSegment extends OpenFooter implements StoredSegment {
  readonly key: string;
  readonly #store: ObjectStore;
  /** The object's last bytes from #tailStart on: they contain small columns. */
  readonly #tail: Buffer;
  readonly #tailStart: number;

  constructor(store: ObjectStore, key: string, footer: RawFooter, tail: Buffer) {
    super(footer, key);
    this.key = key;
    this.#store = store;
    this.#tail = tail;
    this.#tailStart = footer.sizeBytes - tail.length;
  }

  async fetchBlock(
    section: Section,
    index: number,
    mask: ColumnMask,
    options?: FetchOptions,
  ): Promise<Block> {
    const [block] = await this.fetchBlocks(section, [index], mask, options);
    return block;
  }

  async fetchBlocks(
    section: Section,
    indices: readonly number[],
    mask: ColumnMask,
    options: FetchOptions = {},
  ): Promise<Block[]> {
    const ownSection = this.ownSection(section);
    const infos = indices.map((index) => blockInfo(ownSection.blocks, index));
    const units = infos.flatMap((info) => unitsOf(info, mask, options.metadataNames));
    const fetched = await this.#fetchUnits(units, options.signal);
    return infos.map((info) =>
      this.#makeBlock(info, mask, { fetched, metadataNames: options.metadataNames, place: ownSection.place }),
    );
  }

  #makeBlock(
    info: StoredBlockInfo,
    mask: ColumnMask,
    { fetched, metadataNames, place }: FetchedUnits,
  ): Block {
    // Only this block's units, so that it does not retain the memory of others.
    const units = new Map<UnitRef, Uint8Array>();
    for (const unit of unitsOf(info, mask, metadataNames)) units.set(unit, fetched.get(unit)!);
    // A column is decoded once, so its stored bytes are released.
    const take = (unit: UnitRef) => {
      const bytes = units.get(unit);
      units.delete(unit);
      return bytes;
    };
    return new StoredBlock(info, mask, take, { segment: this.key, place });
  }

  async #fetchUnits(units: readonly UnitRef[], signal?: AbortSignal): Promise<Map<UnitRef, Uint8Array>> {
    const fetched = new Map<UnitRef, Uint8Array>();
    const missing: UnitRef[] = [];
    for (const unit of units) {
      const at = unit.offset - this.#tailStart;
      if (at >= 0) fetched.set(unit, this.#tail.subarray(at, at + unit.storedBytes));
      else missing.push(unit);
    }
    missing.sort((a, b) => a.offset - b.offset);
    const ranges = coalesce(missing);
    const parts: Buffer[] = [];
    let next = 0;
    const work = async () => {
      while (next < ranges.length) {
        const at = next++;
        parts[at] = await this.#readRange(ranges[at], signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(requestsMax, ranges.length) }, work));
    let range = 0;
    for (const unit of missing) {
      while (unit.offset >= ranges[range].end) range++;
      const at = unit.offset - ranges[range].start;
      fetched.set(unit, detached(parts[range], at, unit.storedBytes));
    }
    return fetched;
  }

  async #readRange({ start, end }: Range, signal?: AbortSignal): Promise<Buffer> {
    const bytes = await this.#store.getRange(this.key, start, end - start, signal);
    if (bytes.length !== end - start) {
      throw corrupt(this.key, `bytes ${start}..${end}`, `the store gave ${bytes.length} bytes`);
    }
    return bytes;
  }
}

/**
 * Opens a segment in the object store by reading its footer: one request, a second one when the footer is
 * larger than the guess. Columns are fetched when they are needed, and checked before they are used.
 *
 * @throws LokiError `notFound` when there is no such object, `corrupt` when it is damaged
 */
export async function readSegment(
  store: ObjectStore,
  key: string,
  signal?: AbortSignal,
): Promise<StoredSegment> {
  let { bytes, sizeBytes } = await store.getTail(key, tailBytesGuess, signal);
  const needed = footerBytesNeeded(bytes, sizeBytes, key);
  if (needed > bytes.length) ({ bytes, sizeBytes } = await store.getTail(key, needed, signal));
  if (bytes.length < needed || bytes.length > sizeBytes) {
    throw corrupt(key, 'footer', `the store gave ${bytes.length} of ${needed} bytes`);
  }
  return new ReadSegment(store, key, readFooter(bytes, sizeBytes, key), bytes);
}

/** Ranges that cover the units, which are sorted by offset. */
function coalesce(units: readonly UnitRef[]): Range[] {
  const ranges: Range[] = [];
  for (const { offset, storedBytes } of units) {
    const end = offset + storedBytes;
    const last = ranges.at(-1);
    if (last && offset - last.end <= gapBytesMax && end - last.start <= rangeBytesMax) {
      last.end = Math.max(last.end, end);
    } else ranges.push({ start: offset, end });
  }
  return ranges;
}

/**
 * A view when the unit is most of the read bytes, else a copy, so that a small column does not retain a large
 * read.
 */
function detached(part: Buffer, at: number, size: number): Uint8Array {
  const view = part.subarray(at, at + size);
  return size * 2 >= part.buffer.byteLength ? view : Uint8Array.prototype.slice.call(view);
}
