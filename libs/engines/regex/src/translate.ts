/** Translates a pattern of RE2's syntax to a JavaScript pattern with the same meaning, for V8. */
import { someNode } from './ast.ts';
import type { Node, RepeatNode } from './ast.ts';
import { byteSequences, rangesBy, unitClass, unitMax } from './byte-sequences.ts';
import type { Alphabet } from './byte-sequences.ts';
import { clip, covers, runeMax } from './char-set.ts';
import type { CharSet } from './char-set.ts';

/** Longest source: longer ones take more time to compile than other engines take to run. */
const sourceCharsMax = 50_000;
/** Most alternatives of one set in bytes; \pL has hundreds, and then decoding the line is cheaper. */
const sequencesMax = 48;
/** The linear fallback engine of V8 refuses larger products of counts. */
const replicationMax = 16;

/** Thrown inside `translate` when the JavaScript pattern would be too large. */
class Untranslatable extends Error {}

interface Context {
  readonly alphabet: Alphabet;
  readonly captures: boolean;
  /** Characters of all sets so far: a pattern of large sets is given up before all of them are written. */
  setChars: number;
}

/**
 * The JavaScript pattern (without flags) that matches the same texts as `root`, or undefined when there is
 * none.
 *
 * Neither the i nor the u flag is used: V8's linear engine supports neither, and the sets already contain
 * RE2's case folding.
 *
 * @param captures false: all groups are non-capturing, and counted repeats may be unrolled for the linear
 *   engine
 */
export function translate(root: Node, alphabet: Alphabet, captures: boolean): string | undefined {
  // \B would match within a rune, where RE2 has no position.
  if (someNode(root, (node) => node.kind === 'position' && node.at === 'noWordBoundary')) return undefined;
  const context: Context = { alphabet, captures, setChars: 0 };
  try {
    return emit(root, context);
  } catch (error) {
    if (error instanceof Untranslatable) return undefined;
    throw error;
  }
}

const positions = {
  beginText: '^',
  endText: '$',
  beginLine: '(?<![^\\n])',
  endLine: '(?![^\\n])',
  wordBoundary: '\\b',
  noWordBoundary: '\\B',
} as const;

function emit(node: Node, context: Context): string {
  const source = emitBare(node, context);
  if (source.length > sourceCharsMax) throw new Untranslatable();
  return source;
}

function emitBare(node: Node, context: Context): string {
  switch (node.kind) {
    case 'empty':
      return '(?:)';
    case 'set': {
      const source = emitSet(node.set, context);
      context.setChars += source.length;
      if (context.setChars > sourceCharsMax) throw new Untranslatable();
      return source;
    }
    case 'position':
      return positions[node.at];
    case 'capture':
      return `(${context.captures ? '' : '?:'}${emit(node.body, context)})`;
    case 'alternate':
      return `(?:${node.items.map((item) => emit(item, context)).join('|')})`;
    case 'concat':
      return node.items.map((item) => emit(item, context)).join('');
    case 'repeat':
      return emitRepeat(node, context);
  }
}

function emitRepeat(node: RepeatNode, context: Context): string {
  const { body, min, max } = node;
  const lazy = node.greedy ? '' : '?';
  if (max === 0) return context.captures && body.hasCapture ? `${emitAtom(body, context)}{0}` : '(?:)';
  if (max === 1 && min === 1) return emitAtom(body, context);
  if (body.kind === 'set' && max === Infinity && isUnitwise(body.set, context.alphabet)) {
    const run = `${runOf(body.set, context.alphabet)}*${lazy}`;
    if (min === 0) return run;
    // A greedy run consumes the last rune completely; a lazy run must not stop within it.
    const last = node.greedy ? leadOf(body.set, context.alphabet) : emitSet(body.set, context);
    return exactly(emitAtom(body, context), min - 1, 1, context) + last + run;
  }
  const atom = emitAtom(body, context);
  if (max === Infinity && min <= 1) return atom + (min === 0 ? '*' : '+') + lazy;
  if (max === 1) return `${atom}?${lazy}`;
  const inner = replication(body);
  if (max === min) return exactly(atom, min, inner, context);
  // A group must not be copied.
  if (max === Infinity && context.captures && body.hasCapture) return `${atom}{${min},}${lazy}`;
  if (max === Infinity) return `(?:${exactly(atom, min, inner, context)}${atom}*${lazy})`;
  return `${atom}{${min},${max}}${lazy}`;
}

/**
 * `atom` repeated `times` times. Where copies are allowed, it is split into steps that the linear engine
 * accepts.
 */
function exactly(atom: string, times: number, inner: number, context: Context): string {
  if (times === 0) return '';
  if (times === 1) return atom;
  const step = Math.max(1, Math.floor(replicationMax / inner));
  if (context.captures || times <= step) return `${atom}{${times}}`;
  const fullSteps = Math.floor(times / step);
  if (fullSteps * (atom.length + 4) > sourceCharsMax) throw new Untranslatable();
  const unit = step === 1 ? atom : `${atom}{${step}}`;
  const remainder = times % step;
  return `(?:${unit.repeat(fullSteps)}${remainder === 0 ? '' : `${atom}{${remainder}}`})`;
}

/**
 * The cost of a node for the linear engine: the product of its inner counts, after `exactly` has split them.
 */
function replication(node: Node): number {
  switch (node.kind) {
    case 'repeat': {
      const repeatCount = node.max === Infinity ? Math.max(1, node.min) : Math.max(1, node.max);
      return Math.min(repeatCount, replicationMax) * replication(node.body);
    }
    case 'capture':
      return replication(node.body);
    case 'concat':
    case 'alternate':
      return node.items.reduce((most, item) => Math.max(most, replication(item)), 1);
    default:
      return 1;
  }
}

function emitAtom(node: Node, context: Context): string {
  const source = emit(node, context);
  if (node.kind === 'capture' || node.kind === 'alternate' || node.kind === 'empty') return source;
  if (node.kind === 'set' && isSingleUnit(node.set, context.alphabet)) return source;
  return `(?:${source})`;
}

/** Whether each rune of the set is one unit. */
function isSingleUnit(set: CharSet, alphabet: Alphabet): boolean {
  return set.length === 0 || set[set.length - 1] <= (alphabet === 'bytes' ? 0x7f : 0xd7ff);
}

/**
 * Whether the set contains every rune of more than one unit. Then a run of it may ignore borders of runes.
 */
function isUnitwise(set: CharSet, alphabet: Alphabet): boolean {
  if (alphabet === 'bytes') return isSingleUnit(set, alphabet) || covers(set, 0x80, runeMax);
  return isSingleUnit(set, alphabet) || covers(set, 0x1_0000, runeMax) || covers(set, 0xe000, runeMax);
}

/** One unit of any rune of a unitwise set. */
function runOf(set: CharSet, alphabet: Alphabet): string {
  if (isSingleUnit(set, alphabet)) return unitClass(set, unitMax(alphabet));
  if (alphabet === 'bytes') return unitClass(clip(set, 0, 0xff), 0xff);
  return unitClass([...clip(set, 0, 0xd7ff), 0xd800, 0xdfff, ...clip(set, 0xe000, 0xffff)], 0xffff);
}

/** The first unit of any rune of a unitwise set. */
function leadOf(set: CharSet, alphabet: Alphabet): string {
  if (isSingleUnit(set, alphabet)) return unitClass(set, unitMax(alphabet));
  if (alphabet === 'bytes') return unitClass([...clip(set, 0, 0x7f), 0xc0, 0xff], 0xff);
  return unitClass([...clip(set, 0, 0xd7ff), 0xd800, 0xdbff, ...clip(set, 0xe000, 0xffff)], 0xffff);
}

function emitSet(set: CharSet, { alphabet }: Context): string {
  if (isSingleUnit(set, alphabet)) return unitClass(set, unitMax(alphabet));
  if (isUnitwise(set, alphabet)) {
    const trail = alphabet === 'bytes' ? '[\\x80-\\xbf]' : '[\\udc00-\\udfff]';
    return `${leadOf(set, alphabet)}${trail}*`;
  }
  return alphabet === 'bytes' ? emitByteSet(set) : emitTextSet(set);
}

function emitTextSet(set: CharSet): string {
  const basic = [...clip(set, 0, 0xd7ff), ...clip(set, 0xe000, 0xffff)];
  const parts = basic.length > 0 ? [unitClass(basic, 0xffff)] : [];
  const high = clip(set, 0x1_0000, runeMax);
  for (let i = 0; i < high.length; i += 2) {
    for (const [lo, hi] of rangesBy(high[i], high[i + 1], 0x400)) {
      const offsetLo = lo - 0x1_0000;
      const offsetHi = hi - 0x1_0000;
      parts.push(
        unitClass([0xd800 + (offsetLo >> 10), 0xd800 + (offsetHi >> 10)], 0xffff) +
          unitClass([0xdc00 + (offsetLo & 0x3ff), 0xdc00 + (offsetHi & 0x3ff)], 0xffff),
      );
    }
  }
  return parts.length === 1 ? parts[0] : `(?:${parts.join('|')})`;
}

function emitByteSet(set: CharSet): string {
  const ascii = clip(set, 0, 0x7f);
  const parts = ascii.length > 0 ? [unitClass(ascii, 0xff)] : [];
  for (const [lo, hi] of [
    [0x80, 0x7ff],
    [0x800, 0xffff],
    [0x1_0000, runeMax],
  ]) {
    const wideSet = clip(set, lo, hi);
    for (let i = 0; i < wideSet.length; i += 2) {
      parts.push(...byteSequences(wideSet[i], wideSet[i + 1]));
      if (parts.length > sequencesMax) throw new Untranslatable();
    }
  }
  return parts.length === 1 ? parts[0] : `(?:${parts.join('|')})`;
}
