import type { FastTester } from './engines.ts';
import type { AnyOf, Literal, LiteralFacts } from './literals.ts';

/** What a block scan needs of a compiled pattern. */
export interface RowMatcher {
  readonly literals: LiteralFacts;
  testRow(lines: Buffer, start: number, end: number): boolean;
  /** Present when most rows may be matched as latin1 strings. */
  readonly fast: FastTester | undefined;
}

/** Literals looked for one after another in a block; beyond this the passes cost more than the engine. */
const literalsPerScanMax = 8;
/** ſ and K in UTF-8: what s and k fold to besides S and K. */
const twins = [Buffer.from('ſ'), Buffer.from('\u212a')];

/** See Regex.findRows. */
export function findRows(matcher: RowMatcher, lines: Buffer, ends: Uint32Array, out: Uint32Array): number {
  const { exact, required } = matcher.literals;
  if (exact && !exact.atStart && !exact.atEnd && isScannable(exact.anyOf, lines))
    return rowsWithAnyOf(lines, ends, exact.anyOf, out);
  const candidates = required.find((anyOf) => isScannable(anyOf, lines));
  let count: number;
  if (candidates) count = rowsWithAnyOf(lines, ends, candidates, out);
  else {
    count = ends.length;
    for (let row = 0; row < count; row++) out[row] = row;
  }
  return filterRows(matcher, lines, ends, out, count);
}

/** See Regex.filterRows. */
export function filterRows(
  matcher: RowMatcher,
  lines: Buffer,
  ends: Uint32Array,
  rows: Uint32Array,
  count: number,
): number {
  if (matcher.fast && count * 4 > ends.length)
    return filterDense(matcher, matcher.fast, lines, ends, rows, count);
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i];
    if (matcher.testRow(lines, row === 0 ? 0 : ends[row - 1], ends[row])) rows[kept++] = row;
  }
  return kept;
}

/** Bytes made into one string at once: enough to forget the cost of the call, few enough to stay in the cache. */
const stretchBytes = 64 * 1024;

/**
 * For most rows of a block: one string for a stretch of rows, of which each row is a slice. A slice shares the
 * stretch's memory; a string per row out of the buffer costs three times as much.
 */
function filterDense(
  matcher: RowMatcher,
  fast: FastTester,
  lines: Buffer,
  ends: Uint32Array,
  rows: Uint32Array,
  count: number,
): number {
  let kept = 0;
  for (let i = 0; i < count;) {
    const base = rows[i] === 0 ? 0 : ends[rows[i] - 1];
    let last = i;
    while (last + 1 < count && ends[rows[last + 1]] - base <= stretchBytes) last++;
    const text = lines.toString('latin1', base, ends[rows[last]]);
    for (; i <= last; i++) {
      const row = rows[i];
      const start = row === 0 ? 0 : ends[row - 1];
      const matches =
        ends[row] - start <= fast.unitsMax
          ? fast.test(text.slice(start - base, ends[row] - base))
          : matcher.testRow(lines, start, ends[row]);
      if (matches) rows[kept++] = row;
    }
  }
  return kept;
}

/** May the absence of these literals in a row be trusted, and is looking for them cheap? */
function isScannable(anyOf: AnyOf, lines: Buffer): boolean {
  if (anyOf.length > literalsPerScanMax || anyOf.some((literal) => literal.text === '')) return false;
  return !anyOf.some((literal) => literal.hasTwins) || !twins.some((twin) => lines.includes(twin));
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

function rowsWith(lines: Buffer, ends: Uint32Array, literal: Literal, out: Uint32Array): number {
  return literal.fold
    ? rowsWithFolded(lines, ends, literal.bytes, out)
    : mapHits(ends, literal.bytes.length, out, (from) => lines.indexOf(literal.bytes, from));
}

/**
 * Lower-cases the block as a latin1 string and searches that. Bytes from 0x80 on may change too, each to another such
 * byte, so a needle that has some is turned the same way; ASCII is exact, the rest finds too much rather than too little.
 */
function rowsWithFolded(lines: Buffer, ends: Uint32Array, needle: Buffer, out: Uint32Array): number {
  const text = lines.toString('latin1').toLowerCase();
  const wanted = needle.toString('latin1').toLowerCase();
  return mapHits(ends, needle.length, out, (from) => text.indexOf(wanted, from));
}

/** Rows of the hits that `next` yields; hits that cross a row's end are none. */
function mapHits(
  ends: Uint32Array,
  needleBytes: number,
  out: Uint32Array,
  next: (from: number) => number,
): number {
  let count = 0;
  let row = 0;
  let hit = next(0);
  while (hit >= 0) {
    row = rowAt(ends, hit, row);
    if (row >= ends.length) break;
    if (hit + needleBytes <= ends[row]) {
      out[count++] = row;
      hit = next(ends[row]);
    } else hit = next(hit + 1);
  }
  return count;
}

/** The row that holds byte `at`, which is not before row `from`: doubling steps, then halving. */
function rowAt(ends: Uint32Array, at: number, from: number): number {
  let low = from;
  let step = 1;
  while (low + step < ends.length && ends[low + step - 1] <= at) {
    low += step;
    step *= 2;
  }
  let high = Math.min(ends.length, low + step);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
