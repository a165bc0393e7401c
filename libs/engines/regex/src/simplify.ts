/** Simplifies a pattern for a test that only answers yes or no. */
import { alternate, concat, repeat } from './ast.ts';
import type { Node, RepeatNode } from './ast.ts';
import { covers, runeMax } from './char-set.ts';

/**
 * A cheaper pattern that matches the same inputs as `root`, for tests only: a search may start and end
 * anywhere, so `.*error.*` becomes `error`, and `.+x` becomes `.x`. Its groups have no meaning.
 */
export function simplifyForTest(root: Node): Node {
  return trimEnd(trimStart(root));
}

function trimStart(node: Node): Node {
  if (node.kind === 'alternate') return alternate(node.items.map(trimStart));
  if (node.kind === 'capture') return trimStart(node.body);
  if (node.kind === 'repeat') return trimLoop(node, trimStart);
  return node.kind === 'concat' ? trimConcat(node, node.items, 'beginText', trimStart) : node;
}

function trimEnd(node: Node): Node {
  if (node.kind === 'alternate') return alternate(node.items.map(trimEnd));
  if (node.kind === 'capture') return trimEnd(node.body);
  if (node.kind === 'repeat') return trimLoop(node, trimEnd);
  if (node.kind !== 'concat') return node;
  return trimConcat(node, node.items.toReversed(), 'endText', trimEnd);
}

/**
 * Trims one edge of a sequence. A loop, which copies the items once: thousands of items may be trimmed away.
 *
 * @param items of the node, the one at the edge first
 */
function trimConcat(
  node: Node,
  items: readonly Node[],
  edge: 'beginText' | 'endText',
  trim: (node: Node) => Node,
): Node {
  const remainder = (from: number, first: readonly Node[] = []) => {
    const remaining = [...first, ...items.slice(from)];
    return concat(edge === 'beginText' ? remaining : remaining.reverse());
  };
  let from = 0;
  while (from < items.length) {
    const first = items[from];
    if (first.kind === 'position' && first.at === edge) {
      if (!isAnything(items[from + 1])) break;
      from += 2;
      continue;
    }
    const trimmed = trim(first);
    if (trimmed === first) break;
    if (trimmed.kind !== 'empty') return remainder(from + 1, [trimmed]);
    from++;
  }
  return from === 0 ? node : remainder(from);
}

/** At the edge of a search x* may match nothing, x+ one x, x{2,5} two. */
function trimLoop(node: RepeatNode, trim: (node: Node) => Node): Node {
  if (node.min === 0) return concat([]);
  if (node.max === node.min) return node;
  return node.min === 1
    ? trim(node.body)
    : repeat(node.body, { min: node.min, max: node.min, greedy: true, isCounted: true });
}

/** (?s:.*) */
function isAnything(node: Node | undefined): boolean {
  return (
    node?.kind === 'repeat' &&
    node.min === 0 &&
    node.max === Infinity &&
    node.body.kind === 'set' &&
    covers(node.body.set, 0, runeMax)
  );
}
