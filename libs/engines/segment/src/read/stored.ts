/** Reads a segment from the object store, a footer and then blocks: step *fetch, scan* of a query. */
import { freeMemory, hasCode } from '@loki/model';
import type { ObjectStore, RangeCache } from '@loki/ports';
import { isIntact } from '../columns/unit.ts';
import type { UnitRef } from '../columns/unit.ts';
import { corrupt } from '../format/corrupt.ts';
import type { Block, ColumnMask, FetchOptions, Section, StoredSegment } from '../format/types.ts';
import type { StoredBlockInfo } from './block-table.ts';
import { blockInfo, StoredBlock, unitsOf } from './block.ts';
import { footerBytesNeeded, readFooter } from './layout.ts';
import type { RawFooter } from './layout.ts';
import { OpenFooter } from './open.ts';
import { tailBytesFirst } from './tail-guess.ts';
import type { TailContent, TailGuess } from './tail-guess.ts';

/**
 * Largest gap of unneeded bytes that is read to save a request (10 ms at 100 MB/s is 1 MB; stores charge per
 * request).
 */
const gapBytesMax = 128 << 10;
/** Most bytes of one request, unless a single unit is larger: data that arrives early can be used early. */
const rangeBytesMax = 8 << 20;
/** Most parallel requests of one `fetchBlocks`. */
const requestsMax = 24;

/**
 * Memory of a decoded index, measured: 32 KB for 26 streams in 3 blocks, 0.6 MB for 206 streams in 164
 * blocks.
 */
const bytesPerStream = 1 << 10;
const bytesPerBlock = 2.5 * 1024;

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

/** Where a segment is read from. */
interface StoredPlace {
  readonly store: ObjectStore;
  readonly key: string;
  readonly cache: RangeCache | undefined;
}

class ReadSegment extends OpenFooter implements StoredSegment {
  readonly key: string;
  readonly memoryBytes: number;
  readonly #store: ObjectStore;
  readonly #cache: RangeCache | undefined;
  /** The object's last bytes from #tailStart on: they contain small columns. */
  readonly #tail: Buffer;
  readonly #tailStart: number;

  constructor({ store, key, cache }: StoredPlace, footer: RawFooter, tail: Buffer) {
    super(footer, key);
    this.key = key;
    this.#store = store;
    this.#cache = cache;
    this.#tail = tail;
    this.#tailStart = footer.sizeBytes - tail.length;
    this.memoryBytes = tail.length + indexMemory(footer);
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

  storedBytes(section: Section, index: number, mask: ColumnMask, metadataNames?: readonly string[]): number {
    const info = blockInfo(this.ownSection(section).blocks, index);
    return unitsOf(info, mask, metadataNames).reduce((bytes, unit) => bytes + unit.storedBytes, 0);
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
    // A cache may write the units later.
    return new StoredBlock(info, mask, take, { segment: this.key, place, ownsUnits: !this.#cache });
  }

  async #fetchUnits(units: readonly UnitRef[], signal?: AbortSignal): Promise<Map<UnitRef, Uint8Array>> {
    const fetched = new Map<UnitRef, Uint8Array>();
    let missing: UnitRef[] = [];
    for (const unit of units) {
      const at = unit.offset - this.#tailStart;
      if (at >= 0) fetched.set(unit, this.#tail.subarray(at, at + unit.storedBytes));
      else missing.push(unit);
    }
    if (this.#cache && missing.length > 0) missing = await this.#takeCached(this.#cache, missing, fetched);
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
    const viewed = new Set<Buffer>();
    let range = 0;
    for (const unit of missing) {
      while (unit.offset >= ranges[range].end) range++;
      const at = unit.offset - ranges[range].start;
      const part = parts[range];
      const view = part.subarray(at, at + unit.storedBytes);
      // A small column must not retain the memory of a large read.
      const isMost = unit.storedBytes * 2 >= part.buffer.byteLength;
      if (isMost) viewed.add(part);
      fetched.set(unit, isMost ? view : Uint8Array.prototype.slice.call(view));
    }
    for (const part of parts) if (!viewed.has(part)) freeMemory(part);
    this.#cache?.write(
      this.key,
      // The reader reports damaged bytes; the cache does not keep them.
      missing
        .filter((unit) => isIntact(unit, fetched.get(unit)!))
        .map((unit) => ({ ...unit, bytes: fetched.get(unit)! })),
    );
    return fetched;
  }

  /** Puts the units that the cache has into `fetched`. Returns the others. */
  async #takeCached(
    cache: RangeCache,
    units: readonly UnitRef[],
    fetched: Map<UnitRef, Uint8Array>,
  ): Promise<UnitRef[]> {
    const cached = await cache.read(this.key, units);
    return units.filter((unit, i) => {
      const bytes = cached[i];
      if (bytes) fetched.set(unit, bytes);
      return !bytes;
    });
  }

  async #readRange({ start, end }: Range, signal?: AbortSignal): Promise<Buffer> {
    const bytes = await this.#store.getRange(this.key, start, end - start, signal);
    if (bytes.length !== end - start) {
      throw corrupt(this.key, `bytes ${start}..${end}`, `the store gave ${bytes.length} bytes`);
    }
    return bytes;
  }
}

interface ReadOptions {
  readonly signal?: AbortSignal;
  /** Absent: 64 KiB are read at first. */
  readonly tailGuess?: TailGuess;
  /** Columns that should come with the footer, where they are small. Default: none. */
  readonly content?: TailContent;
  /** A local cache of footers and columns; absent: every read goes to the store. */
  readonly cache?: RangeCache;
}

/** Most queries are of one tenant: the indexes of other sections stay encoded. */
function indexMemory({ entries }: RawFooter): number {
  let most = 0;
  for (const { streamCount, blockCount } of entries) {
    most = Math.max(most, bytesPerStream * streamCount + bytesPerBlock * blockCount);
  }
  return most;
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
  { signal, tailGuess, cache, content = 'index' }: ReadOptions = {},
): Promise<StoredSegment> {
  const place = { store, key, cache };
  const cached = cache && (await cachedSegment(place, cache));
  if (cached) return cached;
  const tailBytes = tailGuess?.bytesFor(key, content) ?? tailBytesFirst;
  let { bytes, sizeBytes } = await store.getTail(key, tailBytes, signal);
  const needed = footerBytesNeeded(bytes, sizeBytes, key);
  if (needed > bytes.length) {
    const front = await store.getRange(key, sizeBytes - needed, needed - bytes.length, signal);
    bytes = Buffer.concat([front, bytes]);
  }
  if (bytes.length < needed || bytes.length > sizeBytes) {
    throw corrupt(key, 'footer', `the store gave ${bytes.length} of ${needed} bytes`);
  }
  const footer = readFooter(bytes, sizeBytes, key);
  tailGuess?.learn(key, footer);
  // Its checksum held. Small columns that stand before it come along.
  cache?.writeTail(key, { bytes, sizeBytes });
  return new ReadSegment(place, footer, bytes);
}

/** A damaged footer in a cache is read from the store. */
async function cachedSegment(place: StoredPlace, cache: RangeCache): Promise<ReadSegment | undefined> {
  const tail = await cache.readTail(place.key);
  if (!tail) return undefined;
  try {
    return new ReadSegment(place, readFooter(tail.bytes, tail.sizeBytes, place.key), tail.bytes);
  } catch (error) {
    if (hasCode(error, 'corrupt')) return undefined;
    throw error;
  }
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
