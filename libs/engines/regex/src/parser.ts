/**
 * Parses RE2's syntax as Go does, with Go's error texts. One file, because each construct depends on the
 * flags and the open groups.
 */
import { alternate, capture, children, concat, position, repeat, setNode } from './ast.ts';
import type { Node, RepeatBounds } from './ast.ts';
import { anyChar, anyCharNotNewline } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import { parseClass, parseEscape, parsePerlClass, parseUnicodeClass } from './class-parser.ts';
import { RegexSyntaxError, reasons } from './regex-syntax-error.ts';
import { foldOrbit } from './unicode.ts';

/** RE2's bound: {1001} and (a{100}){100} are refused. */
const repeatMax = 1000;
/** RE2's bound: deeper trees are refused. */
const heightMax = 1000;
/**
 * Most instructions that counted repeats may add to a pattern. Go allows 3.3 million in all, which take 128
 * MiB. Each may cost a step on each character of a line; no honest search needs more than this.
 */
const unrolledMax = 30_000;
/**
 * Most instructions × groups: each instruction may have to store begin and end of each group, 8 bytes a pair.
 */
const groupSlotsMax = 10_000_000;
/** Most edges of all character sets together: each \pL has 1,300, and engines take 0.5 us for an edge. */
const setEdgesMax = 65_536;

interface ParsedPattern {
  readonly root: Node;
  /** Names by group number; '' when unnamed. Entry 0 is the whole match. */
  readonly groupNames: readonly string[];
}

interface ParseOptions {
  /** `.` matches newlines too, as if the pattern began with (?s). */
  readonly dotAll?: boolean;
}

interface Flags {
  readonly fold: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly swapGreedy: boolean;
}

/** An open group: the branches and items that were read so far. */
interface Frame {
  /** Finished branches; `items` is the branch that is being read. */
  readonly branches: Node[];
  items: Node[];
  /** Flags to restore when the group closes. */
  readonly flags: Flags;
  /** 0 for (?:…). */
  readonly index: number;
  readonly name: string;
}

/**
 * Parses RE2 syntax as Go's regexp.Compile does (flags Perl). Throws RegexSyntaxError with Go's texts.
 * O(pattern), except for repeats within repeats, which RE2 limits to a product of 1000.
 */
export function parsePattern(pattern: string, options: ParseOptions = {}): ParsedPattern {
  return new Parser(pattern, options).parse();
}

class Parser {
  readonly #text: string;
  readonly #groupNames: string[] = [''];
  readonly #stack: Frame[] = [];
  #frame: Frame;
  #flags: Flags;
  #at = 0;
  #setEdges = 0;

  constructor(text: string, options: ParseOptions) {
    this.#text = text;
    this.#flags = { fold: false, multiLine: false, dotAll: options.dotAll === true, swapGreedy: false };
    this.#frame = { branches: [], items: [], flags: this.#flags, index: 0, name: '' };
  }

  parse(): ParsedPattern {
    const text = this.#text;
    /**
     * Start of the repetition operator that was just read; -1: the last element was no repetition operator.
     */
    let lastRepeat = -1;
    while (this.#at < text.length) {
      const start = this.#at;
      lastRepeat = this.#step(text[start], lastRepeat) ? start : -1;
    }
    if (this.#stack.length > 0) throw new RegexSyntaxError(reasons.missingParen, text);
    const root = this.#closeBranches(this.#frame);
    this.#checkLimits(root);
    return { root, groupNames: this.#groupNames };
  }

  /** Reads one element; true when it was a repetition operator. */
  #step(char: string, lastRepeat: number): boolean {
    const text = this.#text;
    switch (char) {
      case '(':
        if (text[this.#at + 1] === '?') this.#perlGroup();
        else {
          this.#open('', true);
          this.#at++;
        }
        return false;
      case ')':
        this.#close();
        return false;
      case '|':
        this.#frame.branches.push(concat(this.#frame.items));
        this.#frame.items = [];
        this.#at++;
        return false;
      case '^':
        this.#take(position(this.#flags.multiLine ? 'beginLine' : 'beginText'), 1);
        return false;
      case '$':
        this.#take(position(this.#flags.multiLine ? 'endLine' : 'endText'), 1);
        return false;
      case '.':
        this.#take(setNode(this.#flags.dotAll ? anyChar : anyCharNotNewline), 1);
        return false;
      case '[': {
        const parsed = parseClass(text, this.#at, this.#flags.fold);
        this.#set(parsed.set, parsed.end);
        return false;
      }
      case '*':
        this.#repeat({ min: 0, max: Infinity, isCounted: false }, this.#at + 1, lastRepeat);
        return true;
      case '+':
        this.#repeat({ min: 1, max: Infinity, isCounted: false }, this.#at + 1, lastRepeat);
        return true;
      case '?':
        this.#repeat({ min: 0, max: 1, isCounted: false }, this.#at + 1, lastRepeat);
        return true;
      case '{':
        return this.#braces(lastRepeat);
      case '\\':
        this.#backslash();
        return false;
      default:
        this.#literal(text.codePointAt(this.#at)!);
        return false;
    }
  }

  #literal(rune: number, end = this.#at + (rune > 0xffff ? 2 : 1)): void {
    const orbit = this.#flags.fold ? foldOrbit(rune) : [rune];
    this.#frame.items.push(setNode(orbit.length === 1 ? [rune, rune] : orbitSet(orbit)));
    this.#at = end;
  }

  #take(node: Node, chars: number): void {
    this.#frame.items.push(node);
    this.#at += chars;
  }

  #set(set: CharSet, end: number): void {
    this.#setEdges += set.length;
    if (this.#setEdges > setEdgesMax) throw new RegexSyntaxError(reasons.large, this.#text);
    this.#frame.items.push(setNode(set));
    this.#at = end;
  }

  #backslash(): void {
    const text = this.#text;
    const at = this.#at;
    switch (text[at + 1]) {
      case 'A':
        return this.#take(position('beginText'), 2);
      case 'z':
        return this.#take(position('endText'), 2);
      case 'b':
        return this.#take(position('wordBoundary'), 2);
      case 'B':
        return this.#take(position('noWordBoundary'), 2);
      case 'C':
        throw new RegexSyntaxError(reasons.escape, '\\C');
      case 'Q':
        return this.#quoted();
      default:
    }
    const parsedSet =
      parseUnicodeClass(text, at, this.#flags.fold) ?? parsePerlClass(text, at, this.#flags.fold);
    if (parsedSet) return this.#set(parsedSet.set, parsedSet.end);
    const { rune, end } = parseEscape(text, at);
    this.#literal(rune, end);
  }

  /** \Q…\E: everything between is literal; without \E, everything to the end. */
  #quoted(): void {
    const close = this.#text.indexOf('\\E', this.#at + 2);
    const end = close < 0 ? this.#text.length : close;
    this.#at += 2;
    while (this.#at < end) this.#literal(this.#text.codePointAt(this.#at)!);
    this.#at = close < 0 ? end : close + 2;
  }

  #open(name: string, captures: boolean): void {
    let index = 0;
    if (captures) {
      index = this.#groupNames.length;
      this.#groupNames.push(name);
    }
    this.#stack.push(this.#frame);
    this.#frame = { branches: [], items: [], flags: this.#flags, index, name };
  }

  #close(): void {
    const outer = this.#stack.pop();
    if (!outer) throw new RegexSyntaxError(reasons.unexpectedParen, this.#text);
    const { flags, index, name } = this.#frame;
    const body = this.#closeBranches(this.#frame);
    this.#frame = outer;
    this.#flags = flags;
    const node = index === 0 ? body : capture(index, name, body);
    this.#checkLimits(node);
    this.#take(node, 1);
  }

  #closeBranches(frame: Frame): Node {
    frame.branches.push(concat(frame.items));
    return alternate(frame.branches);
  }

  /** (?P<name>…), (?<name>…), (?flags:…), (?flags). */
  #perlGroup(): void {
    const text = this.#text;
    const start = this.#at;
    const named = /(?:\(\?P<(?=.)|\(\?<(?=.))/suy;
    named.lastIndex = start;
    const head = named.exec(text);
    if (head) {
      const close = text.indexOf('>', start);
      if (close < 0) throw new RegexSyntaxError(reasons.namedCapture, text.slice(start));
      const name = text.slice(start + head[0].length, close);
      if (!/^[A-Za-z0-9_]+$/.test(name)) {
        throw new RegexSyntaxError(reasons.namedCapture, text.slice(start, close + 1));
      }
      this.#open(name, true);
      this.#at = close + 1;
      return;
    }
    this.#flagGroup(start);
  }

  #flagGroup(start: number): void {
    const text = this.#text;
    const flags = { ...this.#flags };
    let value = true;
    let sawFlag = false;
    let at = start + 2;
    while (at < text.length) {
      const rune = text.codePointAt(at)!;
      at += rune > 0xffff ? 2 : 1;
      const char = String.fromCodePoint(rune);
      if (char === 'i') flags.fold = value;
      else if (char === 'm') flags.multiLine = value;
      else if (char === 's') flags.dotAll = value;
      else if (char === 'U') flags.swapGreedy = value;
      else if (char === '-' && value) {
        value = false;
        sawFlag = false;
        continue;
      } else if ((char === ':' || char === ')') && (value || sawFlag)) {
        if (char === ':') this.#open('', false);
        this.#flags = flags;
        this.#at = at;
        return;
      } else break;
      sawFlag = true;
    }
    throw new RegexSyntaxError(reasons.perlOp, text.slice(start, at));
  }

  /** {n}, {n,}, {n,m}; anything else in braces is literal. True when it was a repeat. */
  #braces(lastRepeat: number): boolean {
    const braces = /\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}/y;
    braces.lastIndex = this.#at;
    const match = braces.exec(this.#text);
    if (!match) {
      this.#literal(0x7b);
      return false;
    }
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? Infinity : Number(match[3]);
    if (min > repeatMax || (max !== Infinity && max > repeatMax) || min > max) {
      throw new RegexSyntaxError(reasons.repeatSize, match[0]);
    }
    this.#repeat({ min, max, isCounted: true }, braces.lastIndex, lastRepeat);
    return true;
  }

  #repeat(bounds: Omit<RepeatBounds, 'greedy'>, end: number, lastRepeat: number): void {
    const { min, max, isCounted: counted } = bounds;
    const text = this.#text;
    const start = this.#at;
    let greedy = !this.#flags.swapGreedy;
    if (text[end] === '?') {
      greedy = !greedy;
      end++;
    }
    if (lastRepeat >= 0) throw new RegexSyntaxError(reasons.repeatOp, text.slice(lastRepeat, end));
    const body = this.#frame.items.pop();
    if (!body) throw new RegexSyntaxError(reasons.missingRepeatArgument, text.slice(start, end));
    const node = repeat(body, { ...bounds, greedy });
    if (counted && (min >= 2 || (max >= 2 && max !== Infinity)) && !isRepeatValid(node, repeatMax)) {
      throw new RegexSyntaxError(reasons.repeatSize, text.slice(start, end));
    }
    this.#checkLimits(node);
    this.#frame.items.push(node);
    this.#at = end;
  }

  #checkLimits(node: Node): void {
    const isLarge = node.size > unrolledMax + 4 * this.#text.length;
    if (isLarge || node.size * this.#groupNames.length > groupSlotsMax) {
      throw new RegexSyntaxError(reasons.large, this.#text);
    }
    if (node.height > heightMax) throw new RegexSyntaxError(reasons.nestingDepth, this.#text);
  }
}

function orbitSet(orbit: readonly number[]): CharSet {
  const out: number[] = [];
  for (const rune of orbit) {
    if (out.length > 0 && out[out.length - 1] === rune - 1) out[out.length - 1] = rune;
    else out.push(rune, rune);
  }
  return out;
}

/**
 * Whether the product of nested {n,m} is at most `timesMax`. Few subtrees have nested repeats, so the walk is
 * cheap.
 */
function isRepeatValid(node: Node, timesMax: number): boolean {
  if (node.kind === 'repeat' && node.isCounted) {
    const times = node.max === Infinity ? node.min : node.max;
    if (node.max === 0) return true;
    if (times > timesMax) return false;
    if (times > 0) timesMax = Math.floor(timesMax / times);
  }
  return children(node).every((child) => isRepeatValid(child, timesMax));
}
