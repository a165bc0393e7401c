/** Analyses a pattern for the choice of its engine: step *fetch, scan* of a query. */
import { children, someNode } from './ast.ts';
import type { Node } from './ast.ts';

/** The properties of a pattern that decide its engine. */
export interface Shape {
  /**
   * A loop in a loop, or a loop over branches with a common beginning: backtracking may take exponential
   * time.
   */
  readonly isExplosive: boolean;
  /**
   * A backtracking engine may take n^degree steps on an input of length n. The degree counts the unbounded
   * loops in sequence, plus one for a search that may start anywhere.
   */
  readonly degree: number;
  /**
   * Constant factor of the steps: the product of the counts of bounded repeats, or the cost of a long
   * pattern.
   */
  readonly stepsPerUnit: number;
  /** A JavaScript engine matches the same texts as RE2, but may report other groups or another end. */
  readonly groupsDiffer: boolean;
}

/**
 * At most places a search tries only the first few instructions of a long pattern, so it is charged one step
 * for this many instructions.
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
  return someNode(
    node,
    (outer) =>
      outer.kind === 'repeat' &&
      outer.max > 1 &&
      (outer.body.isNullable ||
        someNode(outer.body, (inner) => isVaryingRepeat(inner) || inner.kind === 'alternate')),
  );
}

/** Whether a repeat may match different counts: x*, x{2,5}, x? but not x{3}. */
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

/** Whether every match begins at the start of the input. */
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
 * In a new round of a loop JavaScript clears the groups of earlier rounds, and it refuses empty rounds; RE2
 * does neither. The difference is visible when a loop may skip a group inside it, or when its body may match
 * the empty string.
 */
function groupsDiffer(node: Node): boolean {
  return someNode(node, (loop) => {
    if (loop.kind !== 'repeat' || loop.max === 0) return false;
    if (loop.body.isNullable) return true;
    return loop.max > 1 && loop.body.hasCapture && mayPassGroup(loop.body);
  });
}

function mayPassGroup(node: Node): boolean {
  return someNode(
    node,
    (inner) =>
      (inner.kind === 'alternate' && inner.hasCapture) ||
      (inner.kind === 'repeat' && inner.min === 0 && inner.hasCapture),
  );
}
