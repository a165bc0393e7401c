/** Finds the rows of a block that match a pattern: step *fetch, scan* of a query. */
import { isAscii } from 'node:buffer';
import { NeedleSearch } from '@loki/bytes';
import { checkInterrupt } from '@loki/model';
import type { FastTester } from './engines.ts';
import type { AnyOf, Literal, LiteralFacts } from './literals.ts';

/** The part of a compiled pattern that a block scan needs. */
export interface RowMatcher {
  readonly literals: LiteralFacts;
  testRow(lines: Buffer, start: number, end: number): boolean;
  /** Present when most rows may be matched as latin1 strings. */
  readonly fast: FastTester | undefined;
}

/** Most literals that are searched one after another in a block; more passes cost more than the engine. */
const literalsPerScanMax = 8;
/** ſ and K in UTF-8: what s and k fold to besides S and K. */
const twins = [Buffer.from('ſ'), Buffer.from('\u212a')];

/** Searches between two checks for interruption; each takes some milliseconds at most. */
export const searchesPerCheck = 32;

/** See Regex.findRows. */
export function findRows(matcher: RowMatcher, lines: Buffer, ends: Uint32Array, out: Uint32Array): number {
  const { exact, required } = matcher.literals;
  if (exact && !exact.atStart && !exact.atEnd && isScannable(exact.anyOf, lines)) {
    return rowsWithAnyOf(lines, ends, exact.anyOf, out);
  }
  return filterRows(matcher, lines, ends, out, rowsWithRequired(required, lines, ends, out));
}

/**
 * Most searches for required literals, each a pass over the block: a few passes cost less than the engine.
 */
const requiredSearchesMax = 3;
/** The engine tests one row in about the time in which this many rows are searched for a literal. */
const rowsPerTest = 16;

/** Rows that contain the literals that every match needs, as far as this is cheap to check. */
function rowsWithRequired(
  required: readonly AnyOf[],
  lines: Buffer,
  ends: Uint32Array,
  out: Uint32Array,
): number {
  const scannable = required.filter((anyOf) => isScannable(anyOf, lines)).slice(0, requiredSearchesMax);
  if (scannable.length === 0) {
    for (let row = 0; row < ends.length; row++) out[row] = row;
    return ends.length;
  }
  let count = rowsWithAnyOf(lines, ends, scannable[0], out);
  let candidates: Uint32Array | undefined;
  for (const anyOf of scannable.slice(1)) {
    if (count * rowsPerTest <= ends.length * anyOf.length) break;
    candidates ??= new Uint32Array(ends.length);
    count = intersect(out, count, candidates, rowsWithAnyOf(lines, ends, anyOf, candidates));
  }
  return count;
}

/** Filters ascending `rows` in place to those that are also in `candidates`; returns their number. */
function intersect(rows: Uint32Array, count: number, candidates: Uint32Array, otherCount: number): number {
  let passed = 0;
  let at = 0;
  for (let i = 0; i < count; i++) {
    while (at < otherCount && candidates[at] < rows[i]) at++;
    if (at < otherCount && candidates[at] === rows[i]) rows[passed++] = rows[i];
  }
  return passed;
}

/** See Regex.filterRows. */
export function filterRows(
  matcher: RowMatcher,
  lines: Buffer,
  ends: Uint32Array,
  rows: Uint32Array,
  count: number,
): number {
  if (matcher.fast && count * 4 > ends.length) {
    return filterDense(matcher, matcher.fast, lines, ends, rows, count);
  }
  let passed = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i];
    if (i % searchesPerCheck === 0) checkInterrupt();
    if (matcher.testRow(lines, row === 0 ? 0 : ends[row - 1], ends[row])) rows[passed++] = row;
  }
  return passed;
}

/**
 * Bytes that are converted to one string: enough to amortise the call, few enough to stay in the CPU's cache.
 */
const stretchBytes = 64 * 1024;

/**
 * Filters when most rows of a block are candidates: one string for a stretch of rows, of which each row is a
 * slice. A slice shares the stretch's memory; one string per row from the buffer costs three times as much.
 */
function filterDense(
  matcher: RowMatcher,
  fast: FastTester,
  lines: Buffer,
  ends: Uint32Array,
  rows: Uint32Array,
  count: number,
): number {
  let passed = 0;
  for (let i = 0; i < count;) {
    const base = rows[i] === 0 ? 0 : ends[rows[i] - 1];
    let last = i;
    while (last + 1 < count && ends[rows[last + 1]] - base <= stretchBytes) last++;
    const text = lines.toString('latin1', base, ends[rows[last]]);
    for (; i <= last; i++) {
      const row = rows[i];
      if (i % searchesPerCheck === 0) checkInterrupt();
      const start = row === 0 ? 0 : ends[row - 1];
      const matches =
        ends[row] - start <= fast.unitsMax
          ? fast.test(text.slice(start - base, ends[row] - base))
          : matcher.testRow(lines, start, ends[row]);
      if (matches) rows[passed++] = row;
    }
  }
  return passed;
}

/** Whether a row without these literals certainly does not match, and the search for them is cheap. */
function isScannable(anyOf: AnyOf, lines: Buffer): boolean {
  if (anyOf.length > literalsPerScanMax || anyOf.some((literal) => literal.text === '')) return false;
  if (!anyOf.some((literal) => literal.hasTwins) || isAscii(lines)) return true;
  return !twins.some((twin) => lines.includes(twin));
}

/** Rows that contain at least one of the literals, ascending, into `out`. */
function rowsWithAnyOf(lines: Buffer, ends: Uint32Array, anyOf: AnyOf, out: Uint32Array): number {
  if (anyOf.length === 1) return rowsWith(lines, ends, anyOf[0], out);
  const marks = new Uint8Array(ends.length);
  const rows = new Uint32Array(ends.length);
  for (const literal of anyOf) {
    const count = rowsWith(lines, ends, literal, rows);
    for (let i = 0; i < count; i++) marks[rows[i]] = 1;
  }
  let count = 0;
  for (let row = marks.indexOf(1); row >= 0; row = marks.indexOf(1, row + 1)) out[count++] = row;
  return count;
}

const searches = new WeakMap<Literal, NeedleSearch>();

function rowsWith(lines: Buffer, ends: Uint32Array, literal: Literal, out: Uint32Array): number {
  const search = searches.get(literal) ?? NeedleSearch.for(literal.bytes, literal.fold);
  if (!search) return rowsWithLong(lines, ends, literal, out);
  searches.set(literal, search);
  search.start(lines);
  return mapHits(ends, 0, ends.length, 0, literal.bytes.length, out, 0, (from) => search.next(from));
}

/** Searches with Buffer.indexOf, for literals that are too long for the kernel. */
function rowsWithLong(lines: Buffer, ends: Uint32Array, literal: Literal, out: Uint32Array): number {
  if (literal.fold) return rowsWithFolded(lines, ends, literal.bytes, out);
  const { bytes } = literal;
  return mapHits(ends, 0, ends.length, 0, bytes.length, out, 0, (from) => lines.indexOf(bytes, from));
}

/**
 * Searches stretches of the block as latin1 strings for `[Tt][Ii][Mm]…`: V8 looks at every n-th character
 * only, so most of the cost is creating the strings (0.25 of 0.4 CPU s/GB; lower-casing the block and indexOf
 * take 1.05).
 */
function rowsWithFolded(lines: Buffer, ends: Uint32Array, needle: Buffer, out: Uint32Array): number {
  let source = '';
  for (const byte of needle) {
    const char = String.fromCharCode(byte);
    source += /[a-z]/.test(char)
      ? `[${char.toUpperCase()}${char}]`
      : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  const regex = new RegExp(source, 'g');
  let count = 0;
  for (let row = 0; row < ends.length;) {
    const base = row === 0 ? 0 : ends[row - 1];
    const first = row++;
    while (row < ends.length && ends[row] - base <= stretchBytes) row++;
    const text = lines.toString('latin1', base, ends[row - 1]);
    const next = (from: number) => {
      regex.lastIndex = from;
      return regex.test(text) ? regex.lastIndex - needle.length : -1;
    };
    count = mapHits(ends, first, row, base, needle.length, out, count, next);
  }
  return count;
}

/**
 * Appends the rows of [first, last) that contain a hit to `out`. `next` returns positions relative to `base`;
 * a hit across a row's end does not count.
 */
function mapHits(
  ends: Uint32Array,
  first: number,
  last: number,
  base: number,
  needleBytes: number,
  out: Uint32Array,
  count: number,
  next: (from: number) => number,
): number {
  let row = first;
  for (let hit = next(0); hit >= 0;) {
    row = rowAt(ends, hit + base, row, last);
    if (row >= last) break;
    if (hit + base + needleBytes <= ends[row]) {
      out[count++] = row;
      hit = next(ends[row] - base);
    } else hit = next(hit + 1);
  }
  return count;
}

/** The row in [from, last) that contains byte `at`: exponential, then binary search. */
function rowAt(ends: Uint32Array, at: number, from: number, last: number): number {
  let low = from;
  let step = 1;
  while (low + step < last && ends[low + step - 1] <= at) {
    low += step;
    step *= 2;
  }
  let high = Math.min(last, low + step);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
