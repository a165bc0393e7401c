import type { ObjectStore } from '@loki/ports';
import type { StoredBlockInfo } from './block-table.ts';
import { blockInfo, StoredBlock, unitsOf } from './block.ts';
import { corrupt } from './corrupt.ts';
import { footerBytesNeeded, readFooter } from './layout.ts';
import type { RawFooter } from './layout.ts';
import { OpenFooter } from './open.ts';
import type { Block, ColumnMask, FetchOptions, Section, StoredSegment } from './types.ts';
import type { UnitRef } from './unit.ts';

/** First guess at a tail that holds the footer: most do, and with it often the timestamps that precede it. */
const tailBytesGuess = 64 << 10;
/**
 * Unwanted bytes that are worth reading to save a request (10 ms at 100 MB/s is 1 MB; stores charge per
 * request).
 */
const gapBytesMax = 256 << 10;
/**
 * One request reads no more than this, unless a single unit is larger: what arrives early can be used early.
 */
const rangeBytesMax = 8 << 20;
/** Requests in flight for one `fetchBlocks`. */
const requestsMax = 8;

/** Bytes [start, end) of the object, to be read by one request. */
interface Range {
  readonly start: number;
  end: number;
}

/** Bytes that one fetch brought, of blocks of one section. */
interface FetchedUnits {
  readonly fetched: ReadonlyMap<UnitRef, Uint8Array>;
  readonly metadataNames: readonly string[] | undefined;
  /** Of the section, for errors. */
  readonly where: string;
}

class ReadSegment extends OpenFooter implements StoredSegment {
  readonly key: string;
  readonly #store: ObjectStore;
  /** The object's last bytes, from #tailStart on, kept because small columns stand there. */
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
    const own = this.ours(section);
    const infos = indices.map((index) => blockInfo(own.blocks, index));
    const units = infos.flatMap((info) => unitsOf(info, mask, options.metadataNames));
    const fetched = await this.#fetchUnits(units, options.signal);
    return infos.map((info) =>
      this.#makeBlock(info, mask, { fetched, metadataNames: options.metadataNames, where: own.where }),
    );
  }

  #makeBlock(
    info: StoredBlockInfo,
    mask: ColumnMask,
    { fetched, metadataNames, where }: FetchedUnits,
  ): Block {
    // Only this block's units, lest it keep the others' memory.
    const units = new Map<UnitRef, Uint8Array>();
    for (const unit of unitsOf(info, mask, metadataNames)) units.set(unit, fetched.get(unit)!);
    // Columns are decoded once and kept: their stored bytes are given away.
    const take = (unit: UnitRef) => {
      const bytes = units.get(unit);
      units.delete(unit);
      return bytes;
    };
    return new StoredBlock(info, mask, take, { segment: this.key, where });
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
      fetched.set(unit, own(parts[range], at, unit.storedBytes));
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
 * larger than the guess. Columns are fetched as they are asked for, and checked before they are believed.
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

/** Ranges that cover the units, which come in order of their offsets. */
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
 * A view when the unit is most of what was read; else a copy, lest a small column keep a large read in
 * memory.
 */
function own(part: Buffer, at: number, size: number): Uint8Array {
  const view = part.subarray(at, at + size);
  return size * 2 >= part.buffer.byteLength ? view : Uint8Array.prototype.slice.call(view);
}
