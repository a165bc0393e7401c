import { charSet } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import { foldOrbit } from './unicode.ts';

/** Positions without width. `text` means the whole input, `line` a stretch between newlines. */
type Position = 'beginText' | 'endText' | 'beginLine' | 'endLine' | 'wordBoundary' | 'noWordBoundary';

/**
 * A parsed pattern. Flags are gone: case folding became sets, greediness sits on the repeats.
 *
 * Answers that are needed often are kept in each node: a pattern may be long, and asking its tree again and
 * again costs squares.
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
      /** Written {n,m}; only those count against RE2's limit on repeats. */
      readonly counted: boolean;
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

/** How often a node may stand, and how it was written. */
export interface RepeatBounds {
  readonly min: number;
  readonly max: number;
  readonly greedy: boolean;
  /** Written with braces. */
  readonly counted: boolean;
}

export function repeat(body: Node, { min, max, greedy, counted }: RepeatBounds): Node {
  let size: number;
  if (max === Infinity) size = min === 0 ? body.size + 2 : 1 + min * body.size;
  else size = max * body.size + (max - min);
  return {
    kind: 'repeat',
    body,
    min,
    max,
    greedy,
    counted,
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

/** Short lists only: copying a list that grows with each level would cost its square. */
const flattenItemsMax = 4096;

/** (?:a|(?:b|c)) is a|b|c: less nesting, and what RE2's limit on nesting counts. */
function flatten(items: readonly Node[], kind: 'concat' | 'alternate'): readonly Node[] {
  if (!items.some((item) => item.kind === kind)) return items;
  return items.flatMap((item) =>
    item.kind === kind && item.items.length < flattenItemsMax ? item.items : item,
  );
}

function measure(items: readonly Node[], own: number): Omit<Measures, 'isNullable'> {
  let size = own;
  let height = 0;
  let hasCapture = false;
  for (const item of items) {
    size += item.size;
    height = Math.max(height, item.height);
    hasCapture ||= item.hasCapture;
  }
  return { size, height: height + 1, hasCapture };
}

/** The nodes directly below. */
export function children(node: Node): readonly Node[] {
  if (node.kind === 'concat' || node.kind === 'alternate') return node.items;
  return node.kind === 'repeat' || node.kind === 'capture' ? [node.body] : [];
}

/** Does `holds` hold for the node or one below it? */
export function some(node: Node, holds: (node: Node) => boolean): boolean {
  return holds(node) || children(node).some((child) => some(child, holds));
}

/** A set that is one character, or one in all its cases. `fold` is true when the set has more than one. */
export function asCharacter(set: CharSet): { rune: number; fold: boolean } | undefined {
  if (set.length === 0 || set.length > 8) return undefined;
  if (set.length === 2 && set[0] === set[1]) return { rune: set[0], fold: false };
  // The lower-case letter stands for all its cases.
  const orbit = foldOrbit(set[0]);
  const expected = charSet(orbit.flatMap((rune) => [rune, rune]));
  if (expected.length !== set.length || expected.some((edge, i) => edge !== set[i])) return undefined;
  const lower = String.fromCodePoint(set[0]).toLowerCase().codePointAt(0)!;
  return { rune: orbit.includes(lower) ? lower : set[0], fold: true };
}
