/** The tree of a parsed pattern and the functions that build its nodes. */
import { charSet } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import { foldOrbit } from './unicode.ts';

/** Assertions without width. `text` is the whole input, `line` the text between newlines. */
type Position = 'beginText' | 'endText' | 'beginLine' | 'endLine' | 'wordBoundary' | 'noWordBoundary';

/**
 * A parsed pattern. It has no flags: case folding is expressed by sets, greediness by repeats.
 *
 * Measures that are often needed are stored in each node: recomputing them on a long pattern would take
 * quadratic time.
 */
export type Node = (
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'position'; readonly at: Position }
  | { readonly kind: 'capture'; readonly index: number; readonly name: string; readonly body: Node }
  | {
      readonly kind: 'repeat';
      readonly body: Node;
      readonly min: number;
      /** Infinity when unbounded. */
      readonly max: number;
      readonly greedy: boolean;
      /** Written as {n,m}; only these count against RE2's limit on repeats. */
      readonly isCounted: boolean;
    }
  | { readonly kind: 'concat'; readonly items: readonly Node[] }
  | { readonly kind: 'alternate'; readonly items: readonly Node[] }
) &
  Measures;

interface Measures {
  /** Instructions of the compiled form with counted repeats unrolled. Limited. */
  readonly size: number;
  /** Nesting. Limited. */
  readonly height: number;
  /** Can match the empty string. */
  readonly isNullable: boolean;
  readonly hasCapture: boolean;
}

export type RepeatNode = Node & { kind: 'repeat' };

const leaf = { size: 1, height: 1, hasCapture: false };

const empty: Node = { kind: 'empty', ...leaf, isNullable: true };

export function setNode(set: CharSet): Node {
  return { kind: 'set', set, ...leaf, isNullable: false };
}

export function position(at: Position): Node {
  return { kind: 'position', at, ...leaf, isNullable: true };
}

export function capture(index: number, name: string, body: Node): Node {
  const { size, height, isNullable } = body;
  return {
    kind: 'capture',
    index,
    name,
    body,
    size: size + 2,
    height: height + 1,
    isNullable,
    hasCapture: true,
  };
}

/** Bounds of a repeat and its form in the pattern. */
export interface RepeatBounds {
  readonly min: number;
  readonly max: number;
  readonly greedy: boolean;
  /** Written with braces. */
  readonly isCounted: boolean;
}

export function repeat(body: Node, { min, max, greedy, isCounted }: RepeatBounds): Node {
  let size: number;
  if (max === Infinity) size = min === 0 ? body.size + 2 : 1 + min * body.size;
  else size = max * body.size + (max - min);
  return {
    kind: 'repeat',
    body,
    min,
    max,
    greedy,
    isCounted,
    size: Math.max(1, size),
    height: body.height + 1,
    isNullable: min === 0 || body.isNullable,
    hasCapture: body.hasCapture,
  };
}

export function concat(items: readonly Node[]): Node {
  if (items.length === 0) return empty;
  if (items.length === 1) return items[0];
  const flat = flatten(items, 'concat');
  const isNullable = flat.every((item) => item.isNullable);
  return { kind: 'concat', items: flat, ...measure(flat, 0), isNullable };
}

export function alternate(items: readonly Node[]): Node {
  if (items.length === 1) return items[0];
  const flat = flatten(items, 'alternate');
  const isNullable = flat.some((item) => item.isNullable);
  return { kind: 'alternate', items: flat, ...measure(flat, flat.length - 1), isNullable };
}

/** Short lists only: copying a list that grows with each level would take quadratic time. */
const flattenItemsMax = 4096;

/** (?:a|(?:b|c)) is a|b|c: this reduces nesting, and RE2's limit counts the reduced nesting. */
function flatten(items: readonly Node[], kind: 'concat' | 'alternate'): readonly Node[] {
  if (!items.some((item) => item.kind === kind)) return items;
  return items.flatMap((item) =>
    item.kind === kind && item.items.length < flattenItemsMax ? item.items : item,
  );
}

function measure(items: readonly Node[], ownSize: number): Omit<Measures, 'isNullable'> {
  let size = ownSize;
  let height = 0;
  let hasCapture = false;
  for (const item of items) {
    size += item.size;
    height = Math.max(height, item.height);
    hasCapture ||= item.hasCapture;
  }
  return { size, height: height + 1, hasCapture };
}

/** The direct children of a node. */
export function children(node: Node): readonly Node[] {
  if (node.kind === 'concat' || node.kind === 'alternate') return node.items;
  return node.kind === 'repeat' || node.kind === 'capture' ? [node.body] : [];
}

/** Whether `predicate` holds for the node or a descendant. */
export function someNode(node: Node, predicate: (node: Node) => boolean): boolean {
  return predicate(node) || children(node).some((child) => someNode(child, predicate));
}

/** Whether the node matches the empty input, where a word has no boundary. */
export function matchesEmpty(node: Node): boolean {
  switch (node.kind) {
    case 'empty':
      return true;
    case 'set':
      return false;
    case 'position':
      return node.at !== 'wordBoundary';
    case 'capture':
      return matchesEmpty(node.body);
    case 'repeat':
      return node.min === 0 || matchesEmpty(node.body);
    case 'concat':
      return node.items.every(matchesEmpty);
    case 'alternate':
      return node.items.some(matchesEmpty);
  }
}

/**
 * The character of a set that holds one character or all cases of one; undefined for other sets. `fold`: the
 * set holds several cases.
 */
export function asCharacter(set: CharSet): { rune: number; fold: boolean } | undefined {
  if (set.length === 0 || set.length > 8) return undefined;
  if (set.length === 2 && set[0] === set[1]) return { rune: set[0], fold: false };
  // The lower-case letter represents all its cases.
  const orbit = foldOrbit(set[0]);
  const expected = charSet(orbit.flatMap((rune) => [rune, rune]));
  if (expected.length !== set.length || expected.some((edge, i) => edge !== set[i])) return undefined;
  const lower = String.fromCodePoint(set[0]).toLowerCase().codePointAt(0)!;
  return { rune: orbit.includes(lower) ? lower : set[0], fold: true };
}
