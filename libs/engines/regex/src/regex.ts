/** Compiled patterns with the semantics of Go's RE2, in linear time. */
import { checkInterrupt } from '@loki/model';
import { analyze } from './analyze.ts';
import { concat, matchesEmpty, position } from './ast.ts';
import type { Node } from './ast.ts';
import { Automaton } from './automaton.ts';
import { makeExec, makeFastTester, makeFinder, makeTester } from './engines.ts';
import type { Finder, Match, Tester } from './engines.ts';
import { checkLength, expand, parseTemplate } from './expand.ts';
import { literalFacts } from './literals.ts';
import type { AnyOf, LiteralFacts } from './literals.ts';
import { parsePattern } from './parser.ts';
import { filterRows, findRows, searchesPerCheck } from './rows.ts';
import type { RowMatcher } from './rows.ts';
import { simplifyForTest } from './simplify.ts';

interface RegexOptions {
  /** The whole input must match, as if the pattern were ^(?:…)$. Error texts quote the original pattern. */
  readonly anchored?: boolean;
  /** `.` matches newlines too, as if the pattern began with (?s). Label matchers need this. */
  readonly dotAll?: boolean;
}

/**
 * Reads a pattern in RE2 syntax. O(pattern); engines and literals are made at first use.
 *
 * @throws RegexSyntaxError with Go's text
 */
export function compileRegex(pattern: string, options: RegexOptions = {}): Regex {
  return new Regex(pattern, options);
}

/**
 * A pattern with the semantics of Go's regexp (leftmost-first, RE2 syntax), in time linear in the input.
 *
 * Results do not depend on the engine: V8's where it is linear or can fall back to a linear one, re2js
 * elsewhere.
 */
export class Regex {
  readonly pattern: string;
  /** By group number; '' for a group without name. Entry 0 is the whole match. Names may repeat, as in Go. */
  readonly groupNames: readonly string[];
  readonly #root: Node;
  #simplified: Node | undefined;
  #literals: LiteralFacts | undefined;
  #textTester: Tester | undefined;
  #rowMatcher: RowMatcher | undefined;
  #finder: Finder | undefined;
  #exec: ((text: string) => Match | null) | undefined;

  constructor(pattern: string, options: RegexOptions) {
    const { root, groupNames } = parsePattern(pattern, { dotAll: options.dotAll });
    this.pattern = pattern;
    this.groupNames = groupNames;
    this.#root =
      options.anchored === true ? concat([position('beginText'), root, position('endText')]) : root;
  }

  /** Facts that a search for plain strings can use, for skipping blocks and rows before `testBytes`. */
  get literals(): LiteralFacts {
    return (this.#literals ??= literalFacts(this.#testRoot));
  }

  get #testRoot(): Node {
    return (this.#simplified ??= simplifyForTest(this.#root));
  }

  /** Instructions of the compiled form. */
  get size(): number {
    return this.#root.size;
  }

  /** Whether the text matches. */
  test(text: string): boolean {
    // Asked of every matcher of a query, and known without an engine.
    if (text === '') return matchesEmpty(this.#root);
    this.#textTester ??= makeTextTester(this.#testRoot, this.literals);
    return this.#textTester.test(text);
  }

  /**
   * Whether bytes[start .. end), read as UTF-8, matches. Exact on valid UTF-8. In other input, a stray
   * continuation byte counts as part of the character before it, any other stray byte as one character of its
   * own.
   */
  testBytes(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    return this.#rows().testRow(asBuffer(bytes), start, end);
  }

  /**
   * Rows of a block that match, ascending: row i is lines[ends[i-1] .. ends[i]). Fills `out` from its start.
   *
   * Searches the whole block for the pattern's literals first and runs the engine on rows that have one.
   *
   * @param out room for ends.length rows
   * @returns   number of matching rows
   */
  findRows(lines: Uint8Array, ends: Uint32Array, out: Uint32Array): number {
    return findRows(this.#rows(), asBuffer(lines), ends, out);
  }

  /**
   * Filters the ascending `rows[0 .. count)` of a block in place: matching rows move to the front. The
   * content of `rows` behind them is undefined.
   *
   * @returns number of matching rows
   */
  filterRows(lines: Uint8Array, ends: Uint32Array, rows: Uint32Array, count: number): number {
    return filterRows(this.#rows(), asBuffer(lines), ends, rows, count);
  }

  /**
   * The leftmost match with its groups (entry 0 is the whole), or null. A group that took no part is
   * undefined.
   */
  exec(text: string): Match | null {
    this.#exec ??= makeExec(this.#root, analyze(this.#root), this.groupNames.length - 1);
    return this.#exec(text);
  }

  /**
   * Go's ReplaceAllString: `$1`, `${1}`, `$name`, `${name}` and `$$` are expanded.
   *
   * @throws LokiError badRequest when the result would be longer than `charsMax`
   */
  replaceAll(text: string, template: string, charsMax = replacedCharsMax): string {
    const parts = parseTemplate(template, this.groupNames);
    return this.#replace(text, (match) => expand(parts, match, charsMax), charsMax);
  }

  /** Go's ReplaceAllLiteralString. */
  replaceAllLiteral(text: string, replacement: string): string {
    return this.#replace(text, () => replacement, replacedCharsMax);
  }

  /** Number of matches that do not overlap; an empty one directly after another match does not count. */
  findAllCount(text: string): number {
    const finder = this.#getFinder();
    let count = 0;
    let lastEnd = -1;
    for (let at = 0, searches = 1; at <= text.length; searches++) {
      if (searches % searchesPerCheck === 0) checkInterrupt();
      const match = finder.find(text, at);
      if (!match) break;
      const end = match.index + match[0]!.length;
      const isEmptyHere = end === at;
      if (!(isEmptyHere && match.index === lastEnd)) count++;
      lastEnd = end;
      at = isEmptyHere ? at + Math.max(1, runeWidth(text, at)) : end;
    }
    return count;
  }

  #replace(text: string, replacement: (match: Match) => string, charsMax: number): string {
    const finder = this.#getFinder();
    let out = '';
    let lastEnd = 0;
    for (let at = 0, searches = 1; at <= text.length; searches++) {
      if (searches % searchesPerCheck === 0) checkInterrupt();
      const match = finder.find(text, at);
      if (!match) break;
      const start = match.index;
      const end = start + match[0]!.length;
      out += text.slice(lastEnd, start);
      // An empty match directly after another match is not replaced.
      if (end > lastEnd || start === 0) out += replacement(match);
      checkLength(out, charsMax);
      lastEnd = end;
      at = Math.max(end, at + Math.max(1, runeWidth(text, at)));
    }
    return out + text.slice(lastEnd);
  }

  #getFinder(): Finder {
    this.#finder ??= makeFinder(this.#root, analyze(this.#root), this.groupNames.length - 1);
    return this.#finder;
  }

  #rows(): RowMatcher {
    this.#rowMatcher ??= makeRowMatcher(this.#testRoot, this.literals);
    return this.#rowMatcher;
  }
}

/** V8 refuses strings twice as long, with an error that would look like a fault of this program. */
const replacedCharsMax = 1 << 28;

function runeWidth(text: string, at: number): number {
  const rune = text.codePointAt(at);
  return rune === undefined ? 0 : rune > 0xffff ? 2 : 1;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function makeTextTester(root: Node, literals: LiteralFacts): Tester {
  const { exact } = literals;
  if (!exact || exact.anyOf.length > 8 || exact.anyOf.some((literal) => literal.fold)) {
    return makeTester(root, analyze(root));
  }
  return { test: literalTest(exact.anyOf, exact.atStart, exact.atEnd) };
}

function literalTest(anyOf: AnyOf, atStart: boolean, atEnd: boolean): (text: string) => boolean {
  const texts = anyOf.map((literal) => literal.text);
  const [only] = texts;
  if (texts.length === 1 && !atStart && !atEnd) return (text) => text.includes(only);
  if (atStart && atEnd) return (text) => texts.includes(text);
  if (atStart) return (text) => texts.some((literal) => text.startsWith(literal));
  if (atEnd) return (text) => texts.some((literal) => text.endsWith(literal));
  return (text) => texts.some((literal) => text.includes(literal));
}

function makeRowMatcher(root: Node, literals: LiteralFacts): RowMatcher {
  const { exact } = literals;
  if (exact?.anyOf.length === 1 && !exact.anyOf[0].fold) {
    return {
      literals,
      fast: undefined,
      testRow: literalRowTest(exact.anyOf[0].bytes, exact.atStart, exact.atEnd),
    };
  }
  const shape = analyze(root);
  const slow = new Automaton(root);
  const fast = makeFastTester(root, shape, 'bytes');
  if (fast) {
    const { unitsMax } = fast;
    return {
      literals,
      fast,
      testRow: (lines, start, end) =>
        end - start <= unitsMax
          ? fast.test(latin1(lines, start, end))
          : slow.test(lines.subarray(start, end)),
    };
  }
  const byText = makeTester(root, shape);
  return { literals, fast, testRow: (lines, start, end) => byText.test(lines.toString('utf8', start, end)) };
}

function literalRowTest(needle: Buffer, atStart: boolean, atEnd: boolean): RowMatcher['testRow'] {
  const count = needle.length;
  if (!atStart && !atEnd) {
    return (lines, start, end) => count === 0 || lines.subarray(start, end).includes(needle);
  }
  return (lines, start, end) => {
    if (end - start < count || (atStart && atEnd && end - start !== count)) return false;
    const at = atStart ? start : end - count;
    return needle.compare(lines, at, at + count) === 0;
  };
}

/** Buffer's internal slice without the checks of toString: half of the cost on short rows. */
function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as Buffer & { latin1Slice(start: number, end: number): string }).latin1Slice(start, end);
}
