/** Literals of a pattern: texts that every match must contain, for the search of blocks and lines. */
import { asCharacter } from './ast.ts';
import type { Node } from './ast.ts';
import { size } from './char-set.ts';
import type { CharSet } from './char-set.ts';

/** A string to look for before any regular expression runs. */
export interface Literal {
  /** Lower case when `fold`. */
  readonly text: string;
  /** UTF-8 of `text`. */
  readonly bytes: Buffer;
  /** Compare ASCII letters case-insensitively. Other characters are compared as they are. */
  readonly fold: boolean;
  /**
   * With `fold`, ſ (C5 BF) stands for s and K (E2 84 AA) for k, which a search over ASCII letters misses.
   * When set and the searched bytes hold one of them, absence of the literal proves nothing.
   */
  readonly hasTwins: boolean;
}

/** Literals of which at least one occurs. */
export type AnyOf = readonly Literal[];

/** Facts about the matches of a pattern that follow from its text. */
export interface LiteralFacts {
  /**
   * Present when literals alone decide: the input matches if and only if it contains one of `anyOf` (except
   * for twins): at its start when `atStart`, at its end when `atEnd`, as the whole input when both.
   */
  readonly exact?: { readonly anyOf: AnyOf; readonly atStart: boolean; readonly atEnd: boolean };
  /**
   * For each entry, at least one of its literals occurs in every match. The most selective entry is first;
   * empty: no required literal is known.
   */
  readonly required: readonly AnyOf[];
}

const alternativesMax = 64;
const productMax = 16;
const literalCharsMax = 4096;
/** Required entries that are kept, the most selective: each level of a pattern hands them to the next. */
const requiredMax = 32;

/** A literal that is being assembled. */
interface Piece {
  readonly text: string;
  readonly fold: boolean;
  /** The text has letters whose case matters; a search with `fold` finds more than the pattern matches. */
  readonly strict: boolean;
  readonly twins: boolean;
}

interface Facts {
  /** All texts that the node can match, when they are few. */
  readonly exact?: readonly Piece[];
  readonly required: readonly (readonly Piece[])[];
}

const noFacts: Facts = { required: [] };
const emptyPiece: Piece = { text: '', fold: false, strict: false, twins: false };

export function literalFacts(root: Node): LiteralFacts {
  const items = root.kind === 'concat' ? root.items : [root];
  let from = 0;
  let to = items.length;
  while (from < to && isAt(items[from], 'beginText')) from++;
  while (to > from && isAt(items[to - 1], 'endText')) to--;
  const inner = items.slice(from, to);
  const facts = factsOfConcat(inner);
  const isPure = inner.every(hasNoPosition);
  const required = [...facts.required, ...(facts.exact ? [facts.exact] : [])]
    .filter(isUseful)
    .sort(bySelectivity)
    .map((pieces) => pieces.map(toLiteral));
  if (!facts.exact || !isPure || facts.exact.some((piece) => piece.fold && piece.strict)) return { required };
  return {
    exact: { anyOf: facts.exact.map(toLiteral), atStart: from > 0, atEnd: to < items.length },
    required,
  };
}

function isAt(node: Node, at: 'beginText' | 'endText'): boolean {
  return node.kind === 'position' && node.at === at;
}

function hasNoPosition(node: Node): boolean {
  if (node.kind === 'position') return false;
  if (node.kind === 'concat' || node.kind === 'alternate') return node.items.every(hasNoPosition);
  return node.kind === 'capture' || node.kind === 'repeat' ? hasNoPosition(node.body) : true;
}

function toLiteral(piece: Piece): Literal {
  const text = piece.fold ? piece.text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase()) : piece.text;
  return { text, bytes: Buffer.from(text), fold: piece.fold, hasTwins: piece.twins };
}

/**
 * The most selective first: a longer text is rarer; more alternatives and folding make the search more
 * expensive.
 */
function bySelectivity(a: readonly Text[], b: readonly Text[]): number {
  return selectivity(b) - selectivity(a);
}

type Text = Pick<Piece, 'text' | 'fold'>;

function selectivity(anyOf: readonly Text[]): number {
  const shortest = anyOf.reduce((least, { text }) => Math.min(least, text.length), Infinity);
  const cost = anyOf.length > 1 || anyOf[0].fold ? 0.5 : 1;
  return Math.min(shortest, 16) * cost - anyOf.length / 8;
}

function factsOf(node: Node): Facts {
  switch (node.kind) {
    case 'empty':
    case 'position':
      return { exact: [emptyPiece], required: [] };
    case 'set':
      return factsOfSet(node.set);
    case 'capture':
      return factsOf(node.body);
    case 'concat':
      return factsOfConcat(node.items);
    case 'alternate':
      return factsOfAlternate(node.items);
    case 'repeat': {
      if (node.max === 0) return { exact: [emptyPiece], required: [] };
      const body = factsOf(node.body);
      if (node.min === 0) {
        const isOptional = node.max === 1 && body.exact && body.exact.length < productMax;
        return isOptional ? { exact: [...body.exact!, emptyPiece], required: [] } : noFacts;
      }
      if (node.min === node.max && node.min <= 64 && body.exact?.length === 1) {
        return factsOfConcat(Array.from({ length: node.min }, () => node.body));
      }
      return { required: body.exact ? [body.exact] : body.required };
    }
  }
}

function factsOfSet(set: CharSet): Facts {
  const char = asCharacter(set);
  if (char && !char.fold) return { exact: [pieceOf(char.rune)], required: [] };
  if (char && char.rune < 0x80) {
    const twins = set[set.length - 1] > 0x7f;
    return {
      exact: [{ text: String.fromCharCode(char.rune), fold: true, strict: false, twins }],
      required: [],
    };
  }
  if (set.length === 0 || size(set) > 4) return noFacts;
  const exact: Piece[] = [];
  for (let i = 0; i < set.length; i += 2) {
    for (let rune = set[i]; rune <= set[i + 1]; rune++) exact.push(pieceOf(rune));
  }
  return { exact, required: [] };
}

function pieceOf(rune: number): Piece {
  const text = String.fromCodePoint(rune);
  return { text, fold: false, strict: /[A-Za-z]/.test(text), twins: false };
}

function factsOfConcat(items: readonly Node[]): Facts {
  const required: (readonly Piece[])[] = [];
  let run: readonly Piece[] = [emptyPiece];
  let isWhole = true;
  const require = (pieces: readonly Piece[]): void => {
    if (!isUseful(pieces)) return;
    required.push(pieces);
    if (required.length >= 2 * requiredMax) required.sort(bySelectivity).length = requiredMax;
  };
  for (const item of items) {
    const facts = factsOf(item);
    facts.required.forEach(require);
    if (!facts.exact) {
      require(run);
      run = [emptyPiece];
      isWhole = false;
      continue;
    }
    if (run.length * facts.exact.length > productMax || run[0].text.length > literalCharsMax) {
      require(run);
      run = facts.exact;
      isWhole = false;
      continue;
    }
    run = run.flatMap((head) => facts.exact!.map((tail) => join(head, tail)));
  }
  if (isWhole) return { exact: run, required };
  require(run);
  return { required };
}

function isUseful(pieces: readonly Piece[]): boolean {
  return pieces.every((piece) => piece.text !== '');
}

function join(a: Piece, b: Piece): Piece {
  if (a.text === '') return b;
  if (b.text === '') return a;
  return {
    text: a.text + b.text,
    fold: a.fold || b.fold,
    strict: a.strict || b.strict,
    twins: a.twins || b.twins,
  };
}

function factsOfAlternate(items: readonly Node[]): Facts {
  const all = items.map(factsOf);
  if (all.every((facts) => facts.exact)) {
    const exact = all.flatMap((facts) => facts.exact!);
    if (exact.length <= alternativesMax) return { exact, required: [] };
  }
  const anyOf: Piece[] = [];
  for (const facts of all) {
    const choices = [...facts.required, ...(facts.exact ? [facts.exact] : [])].filter(isUseful);
    if (choices.length === 0) return noFacts;
    const best = choices.reduce((a, b) => (shortest(b) > shortest(a) ? b : a));
    anyOf.push(...best);
    if (anyOf.length > alternativesMax) return noFacts;
  }
  return { required: [anyOf] };
}

function shortest(pieces: readonly Piece[]): number {
  return pieces.reduce((least, piece) => Math.min(least, piece.text.length), Infinity);
}
