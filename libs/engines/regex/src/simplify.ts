import { alternate, concat, repeat } from './ast.ts';
import type { Node, RepeatNode } from './ast.ts';
import { covers, runeMax } from './char-set.ts';

/**
 * A pattern that matches the same inputs as `root` when only yes or no counts, and is cheaper: a search may
 * start and end anywhere, so `.*error.*` asks for `error` alone, and `.+x` for `.x`. Groups no longer mean
 * anything.
 */
export function simplifyForTest(root: Node): Node {
  return trimEnd(trimStart(root));
}

function trimStart(node: Node): Node {
  if (node.kind === 'alternate') return alternate(node.items.map(trimStart));
  if (node.kind === 'capture') return trimStart(node.body);
  if (node.kind === 'repeat') return trimLoop(node, trimStart);
  if (node.kind !== 'concat') return node;
  const [first, second, ...rest] = node.items;
  if (first.kind === 'position' && first.at === 'beginText') {
    return isAnything(second) ? trimStart(concat(rest)) : node;
  }
  const trimmed = trimStart(first);
  if (trimmed.kind === 'empty') return trimStart(concat([second, ...rest]));
  return trimmed === first ? node : concat([trimmed, second, ...rest]);
}

function trimEnd(node: Node): Node {
  if (node.kind === 'alternate') return alternate(node.items.map(trimEnd));
  if (node.kind === 'capture') return trimEnd(node.body);
  if (node.kind === 'repeat') return trimLoop(node, trimEnd);
  if (node.kind !== 'concat') return node;
  const before = node.items.slice(0, -1);
  const last = node.items[node.items.length - 1];
  if (last.kind === 'position' && last.at === 'endText') {
    return isAnything(before[before.length - 1]) ? trimEnd(concat(before.slice(0, -1))) : node;
  }
  const trimmed = trimEnd(last);
  if (trimmed.kind === 'empty') return trimEnd(concat(before));
  return trimmed === last ? node : concat([...before, trimmed]);
}

/** At the edge of a search x* matches nothing at no loss, x+ one x, x{2,5} two. */
function trimLoop(node: RepeatNode, trim: (node: Node) => Node): Node {
  if (node.min === 0) return concat([]);
  if (node.max === node.min) return node;
  return node.min === 1
    ? trim(node.body)
    : repeat(node.body, { min: node.min, max: node.min, greedy: true, counted: true });
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
