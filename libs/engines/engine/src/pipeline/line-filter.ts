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
  /** A line that matches contains this, byte for byte. Undefined: nothing is known. */
  readonly needle: Buffer | undefined;
  /** A line that contains a needle matches; no need to look again. */
  readonly isExact: boolean;
  /** The rows of a whole block that match, where that is cheaper than asking line by line. */
  findRows?(lines: Buffer, ends: Uint32Array, out: Uint32Array): number;
}

/** Above this share of the rows between first and last, the stretch is searched as a whole. */
const denseShare = 1 / 8;

/** `|= "a" or "b"` and its kin. */
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

  /** Keeps the rows of a block that pass. */
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

/** Rows of a stretch (or of the whole block) that match, ascending. */
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

/** Leaves in `rows` those whose line really matches; returns how many. */
function confirmed(
  test: LineTest,
  lines: Buffer,
  ends: Uint32Array,
  rows: Uint32Array,
  count: number,
): number {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i];
    if (test.matches(lines, row === 0 ? 0 : ends[row - 1], ends[row])) rows[kept++] = row;
  }
  return kept;
}

class ContainsTest implements LineTest {
  readonly needle: Buffer | undefined;
  readonly isExact = true;

  constructor(text: string) {
    // Everything contains nothing.
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
