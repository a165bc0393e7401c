import { children, some } from './ast.ts';
import type { Node } from './ast.ts';

/** The properties of a pattern that decide its engine. */
export interface Shape {
  /** A loop within a loop, or over branches that may begin alike: backtracking may explode. */
  readonly isExplosive: boolean;
  /**
   * How the steps of a backtracking engine may grow with the length n of the input: n to this power. Counts
   * the unbounded loops one after another, and one for a search that may start anywhere.
   */
  readonly degree: number;
  /**
   * A constant factor to the above: the product of the bounded repeats' counts, or what a long pattern costs
   * itself.
   */
  readonly stepsPerUnit: number;
  /**
   * A JavaScript engine may report other groups, or another end, than RE2, though it matches the same texts.
   */
  readonly groupsDiffer: boolean;
}

/**
 * A search that may start anywhere takes few steps of a long pattern at most places: usually its first ones.
 */
const instructionsPerStep = 8;

export function analyze(root: Node): Shape {
  const loops = countLoops(root);
  return {
    isExplosive: isExplosive(root),
    degree: loops.unbounded + (startsAtBegin(root) ? 0 : 1),
    stepsPerUnit: Math.max(loops.factor, root.size / instructionsPerStep),
    groupsDiffer: groupsDiffer(root),
  };
}

function isExplosive(node: Node): boolean {
  return some(
    node,
    (outer) =>
      outer.kind === 'repeat' &&
      outer.max > 1 &&
      (outer.body.isNullable ||
        some(outer.body, (inner) => isVaryingRepeat(inner) || inner.kind === 'alternate')),
  );
}

/** Can take differing amounts: x*, x{2,5}, x?; x{3} cannot. */
function isVaryingRepeat(node: Node): boolean {
  return node.kind === 'repeat' && node.max !== node.min;
}

function countLoops(node: Node): { unbounded: number; factor: number } {
  switch (node.kind) {
    case 'repeat': {
      const inner = countLoops(node.body);
      if (node.max === Infinity) return { unbounded: inner.unbounded + 1, factor: inner.factor };
      return {
        unbounded: inner.unbounded,
        factor: Math.min(1e9, inner.factor * Math.max(1, node.max - node.min)),
      };
    }
    case 'concat':
      return children(node)
        .map(countLoops)
        .reduce((a, b) => ({
          unbounded: a.unbounded + b.unbounded,
          factor: Math.min(1e9, a.factor * b.factor),
        }));
    case 'alternate':
      return children(node)
        .map(countLoops)
        .reduce((a, b) => ({
          unbounded: Math.max(a.unbounded, b.unbounded),
          factor: Math.max(a.factor, b.factor),
        }));
    case 'capture':
      return countLoops(node.body);
    default:
      return { unbounded: 0, factor: 1 };
  }
}

/** Does every match begin at the start of the input? */
function startsAtBegin(node: Node): boolean {
  switch (node.kind) {
    case 'position':
      return node.at === 'beginText';
    case 'capture':
      return startsAtBegin(node.body);
    case 'repeat':
      return node.min > 0 && startsAtBegin(node.body);
    case 'concat':
      return startsAtBegin(node.items[0]);
    case 'alternate':
      return node.items.every(startsAtBegin);
    default:
      return false;
  }
}

/**
 * JavaScript forgets the groups of earlier rounds when a loop goes round again, and refuses empty rounds; RE2
 * does neither. It shows when a group sits in a loop that may pass it by, or when a loop's body may match
 * nothing.
 */
function groupsDiffer(node: Node): boolean {
  return some(node, (loop) => {
    if (loop.kind !== 'repeat' || loop.max === 0) return false;
    if (loop.body.isNullable) return true;
    return loop.max > 1 && loop.body.hasCapture && mayPassGroup(loop.body);
  });
}

function mayPassGroup(node: Node): boolean {
  return some(
    node,
    (below) =>
      (below.kind === 'alternate' && below.hasCapture) ||
      (below.kind === 'repeat' && below.min === 0 && below.hasCapture),
  );
}
