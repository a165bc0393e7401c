/** The stages `|=`, `!=`, `|~`, `!~`, `|>` and `!>`: step *fetch, scan* of a query. */
import type { LineFilterStageSpec } from '@loki/logql';
import { compileRegex } from '@loki/regex';
import type { Regex } from '@loki/regex';
import { latin1Text } from '../common/byte-text.ts';
import { rowsContaining } from './block-search.ts';
import { IpTextMatcher } from './ip-text-matcher.ts';
import { LinePattern } from './line-pattern.ts';
import type { RowSelection } from './row-selection.ts';
import type { Row } from './row.ts';

/** One operand of a line filter, as a test of lines. */
interface LineTest {
  matches(bytes: Buffer, start: number, end: number): boolean;
  /** Bytes that every matching line contains; undefined: unknown. */
  readonly needle: Buffer | undefined;
  /** True: every line with the needle matches, without a further test. */
  readonly isExact: boolean;
  /** Finds the matching rows of a whole block, if that is cheaper than a test per line. */
  findRows?(lines: Buffer, ends: Uint32Array, out: Uint32Array): number;
}

/**
 * If more than this share of the rows between first and last is selected, their bytes are searched as a
 * whole.
 */
const denseShare = 1 / 8;

/** One line filter with its alternatives, e.g. `|= "a" or "b"`. */
export class LineFilter {
  readonly #tests: readonly LineTest[];
  readonly #isNegated: boolean;

  constructor(stage: LineFilterStageSpec) {
    this.#isNegated = stage.op.startsWith('!');
    this.#tests = stage.operands.map((operand) => {
      if (operand.ip) return new IpTest(operand.text);
      if (stage.op === '|~' || stage.op === '!~') return new RegexTest(operand.text);
      if (stage.op === '|>' || stage.op === '!>') return new PatternTest(operand.text);
      return new ContainsTest(operand.text);
    });
  }

  keeps(bytes: Buffer, start: number, end: number): boolean {
    for (const test of this.#tests) if (test.matches(bytes, start, end)) return !this.#isNegated;
    return this.#isNegated;
  }

  run(row: Row): boolean {
    return this.keeps(row.bytes, row.start, row.end);
  }

  /** Reduces the selection to the rows of the block that pass. */
  select(selection: RowSelection, lines: Buffer, ends: Uint32Array): void {
    if (selection.count === 0) return;
    const span = selection.last + 1 - selection.first;
    const canSearch = this.#tests.every((test) => test.needle !== undefined || test.findRows !== undefined);
    if (canSearch && selection.count >= span * denseShare) this.#search(selection, lines, ends);
    else selection.filter((row) => this.keeps(lines, row === 0 ? 0 : ends[row - 1], ends[row]));
  }

  #search(selection: RowSelection, lines: Buffer, ends: Uint32Array): void {
    const from = selection.first;
    const to = selection.last + 1;
    const hits = selection.scratch();
    if (this.#tests.length === 1) {
      const count = findRows(this.#tests[0], lines, ends, from, to, hits);
      selection.intersect(hits, count, this.#isNegated);
      return;
    }
    const marks = new Uint8Array(ends.length);
    for (const test of this.#tests) {
      const count = findRows(test, lines, ends, from, to, hits);
      for (let i = 0; i < count; i++) marks[hits[i]] = 1;
    }
    selection.filter((row) => (marks[row] !== 0) !== this.#isNegated);
  }
}

/** Finds the matching rows of a stretch or of the whole block, ascending. */
function findRows(
  test: LineTest,
  lines: Buffer,
  ends: Uint32Array,
  from: number,
  to: number,
  out: Uint32Array,
): number {
  if (test.findRows) return test.findRows(lines, ends, out);
  const count = rowsContaining(lines, ends, from, to, test.needle!, out);
  return test.isExact ? count : confirmed(test, lines, ends, out, count);
}

/** Reduces `rows` to those whose line really matches; returns their number. */
function confirmed(
  test: LineTest,
  lines: Buffer,
  ends: Uint32Array,
  rows: Uint32Array,
  count: number,
): number {
  let confirmedCount = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i];
    if (test.matches(lines, row === 0 ? 0 : ends[row - 1], ends[row])) rows[confirmedCount++] = row;
  }
  return confirmedCount;
}

class ContainsTest implements LineTest {
  readonly needle: Buffer | undefined;
  readonly isExact = true;

  constructor(text: string) {
    // Every line contains the empty text.
    this.needle = text === '' ? undefined : Buffer.from(text, 'utf8');
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    return this.needle === undefined || bytes.subarray(start, end).indexOf(this.needle) >= 0;
  }
}

class PatternTest implements LineTest {
  readonly needle: Buffer | undefined;
  readonly isExact = false;
  readonly #pattern: LinePattern;

  constructor(text: string) {
    this.#pattern = new LinePattern(text);
    this.needle = this.#pattern.longestLiteral;
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    return this.#pattern.matches(bytes, start, end);
  }
}

class IpTest implements LineTest {
  readonly needle = undefined;
  readonly isExact = false;
  readonly #matcher: IpTextMatcher;

  constructor(pattern: string) {
    this.#matcher = new IpTextMatcher(pattern);
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    return this.#matcher.matchesAny(latin1Text(bytes, start, end));
  }
}

class RegexTest implements LineTest {
  readonly needle = undefined;
  readonly isExact = true;
  readonly #regex: Regex;

  constructor(pattern: string) {
    this.#regex = compileRegex(pattern);
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    return this.#regex.testBytes(bytes, start, end);
  }

  findRows(lines: Buffer, ends: Uint32Array, out: Uint32Array): number {
    return this.#regex.findRows(lines, ends, out);
  }
}
