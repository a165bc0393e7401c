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
  if (node.kind !== 'concat') return node;
  const [first, second, ...following] = node.items;
  if (first.kind === 'position' && first.at === 'beginText') {
    return isAnything(second) ? trimStart(concat(following)) : node;
  }
  const trimmed = trimStart(first);
  if (trimmed.kind === 'empty') return trimStart(concat([second, ...following]));
  return trimmed === first ? node : concat([trimmed, second, ...following]);
}

function trimEnd(node: Node): Node {
  if (node.kind === 'alternate') return alternate(node.items.map(trimEnd));
  if (node.kind === 'capture') return trimEnd(node.body);
  if (node.kind === 'repeat') return trimLoop(node, trimEnd);
  if (node.kind !== 'concat') return node;
  const preceding = node.items.slice(0, -1);
  const last = node.items[node.items.length - 1];
  if (last.kind === 'position' && last.at === 'endText') {
    return isAnything(preceding[preceding.length - 1]) ? trimEnd(concat(preceding.slice(0, -1))) : node;
  }
  const trimmed = trimEnd(last);
  if (trimmed.kind === 'empty') return trimEnd(concat(preceding));
  return trimmed === last ? node : concat([...preceding, trimmed]);
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
