/** Builds search filters of blocks: steps *flush* of a written line and *merge* of a stored day. */
import { fnv1a32 } from '@loki/model';
import type { RawColumn } from '../columns/dictionary.ts';
import type { BlockFilter } from '../format/types.ts';
import { bitmapBits, mixShift, placeMask, secondFactor, wordShift } from './filter-grams.ts';
import { wasmKernel } from './filter-kernel.ts';
import type { Kernel } from './filter-kernel.ts';

/** Kind of filters over grams of folded lines. */
export const searchFilterKind = 1;
/** Blocks with fewer line bytes get no filter: reading it would save nothing. */
const lineBytesMin = 4096;
const bitmapBytesMin = 8;
export const searchFilterBytesMax = 1 + bitmapBits / 8;
/** A bitmap with a lower share of marks is folded in half: more bits would hardly reduce false positives. */
const fillMin = 1 / 16;
/** A bitmap with a larger share of marks is dropped. */
const fillMax = 15 / 16;
/** Most stored bytes for each line byte. 0.012 is usual; lines of random data are not worth more. */
const shareMax = 0.019;

/** Flags: the lines hold ſ or K, which fold to s and k; JSON escapes of characters that need none. */
export const flags = { twins: 1, escapes: 2 } as const;

const twins = [Buffer.from('ſ'), Buffer.from('\u212a')];

/** The columns that a search filter covers: lines, and names and values of metadata. */
export interface FilteredColumns {
  readonly lines: Uint8Array;
  readonly metadata: readonly Pick<RawColumn, 'name' | 'values'>[];
}

/**
 * Builds the search filter of a block. It treats all lines as one text: grams across line ends are marked
 * too, which adds 5 % of marks and avoids a call for each line.
 *
 * @returns undefined when a filter is not worth its bytes
 */
export function buildSearchFilter(
  columns: FilteredColumns,
  kernel: Kernel = wasmKernel(),
): BlockFilter | undefined {
  const { lines } = columns;
  if (lines.length < lineBytesMin) return undefined;
  const bitmap = foldBitmap(markColumns(columns, kernel), lines.length);
  if (!bitmap) return undefined;
  const bytes = new Uint8Array(1 + bitmap.length);
  bytes[0] = flagsOf(lines);
  bytes.set(bitmap, 1);
  return { kind: searchFilterKind, bytes };
}

/** Whether a filter has all marks of the columns. It may have more, because rows may have been removed. */
export function isWholeFilter(filter: BlockFilter, columns: FilteredColumns): boolean {
  const marks = markColumns(columns, wasmKernel());
  const bitmap = filter.bytes.subarray(1);
  for (let i = 0; i < marks.length; i++) {
    if ((marks[i] & ~bitmap[i & (bitmap.length - 1)]) !== 0) return false;
  }
  return (flagsOf(columns.lines) & ~filter.bytes[0]) === 0;
}

function markColumns({ lines, metadata }: FilteredColumns, kernel: Kernel): Uint8Array {
  kernel.markText(lines);
  for (const { name, values } of metadata) {
    for (const value of values) for (const place of metadataPlaces(name, value)) kernel.mark(place);
  }
  return kernel.collect();
}

/** The two places of a metadata pair. */
export function metadataPlaces(name: string, value: string): [number, number] {
  const hash = fnv1a32(`${name}\u0000${value}`);
  const mixed = Math.imul(hash ^ (hash >>> mixShift), secondFactor);
  return [mixed & placeMask, mixed >>> wordShift];
}

/** Folds the bitmap in half while that is better; undefined when it rules out too little. */
function foldBitmap(bitmap: Uint8Array, lineBytes: number): Uint8Array | undefined {
  let size = bitmap.length;
  let fill = fillOf(bitmap);
  while (size > bitmapBytesMin && (fill < fillMin || storedBytes(size, fill) > lineBytes * shareMax)) {
    size /= 2;
    for (let i = 0; i < size; i++) bitmap[i] |= bitmap[size + i];
    fill = fillOf(bitmap.subarray(0, size));
  }
  return fill > fillMax ? undefined : bitmap.subarray(0, size);
}

/** Bytes of a random bitmap under an entropy coder; zstd comes within a few per cent. */
function storedBytes(size: number, fill: number): number {
  const absence = 1 - fill;
  return size * Math.min(1, -(fill * Math.log2(fill) + absence * Math.log2(absence)) || 0);
}

function fillOf(bitmap: Uint8Array): number {
  const words = new Uint32Array(bitmap.buffer, bitmap.byteOffset, bitmap.length / 4);
  let count = 0;
  for (let word of words) {
    word -= (word >>> 1) & 0x5555_5555;
    word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
  }
  return count / (bitmap.length * 8);
}

function flagsOf(lines: Uint8Array): number {
  const text = Buffer.from(lines.buffer, lines.byteOffset, lines.length);
  const hasTwins = twins.some((twin) => text.includes(twin));
  return (hasTwins ? flags.twins : 0) | (hasPlainEscapes(text) ? flags.escapes : 0);
}

/**
 * Characters that JSON writers do not escape: those of names, numbers and addresses. A line that escapes one
 * anyway (`\u0061`) contains a value that a search for its text would miss.
 */
const plain = /[A-Za-z0-9_.:@ -]/;
const plainCharacters = /[A-Za-z0-9_.:@ -]+/g;

/** The parts of a value that a line contains unescaped, unless the filter has the flag `escapes`. */
export function plainPartsOf(value: string): string[] {
  return value.match(plainCharacters) ?? [];
}

const escapeStart = Buffer.from('\\u00');

/** Whether the lines contain a `\u` escape of a plain character. */
function hasPlainEscapes(text: Buffer): boolean {
  for (let at = text.indexOf(escapeStart); at >= 0; at = text.indexOf(escapeStart, at + 1)) {
    const code = Number.parseInt(text.toString('latin1', at + 4, at + 6), 16);
    if (plain.test(String.fromCharCode(code))) return true;
  }
  return false;
}
