/** Walks syntax trees of TypeScript. */
import type { Node } from 'typescript/unstable/ast';

/** Visits every node below `node`, parents before children. */
export function forEachDescendant(node: Node, visit: (node: Node) => void): void {
  node.forEachChild((child) => {
    visit(child);
    forEachDescendant(child, visit);
    return undefined;
  });
}

/** The nearest node above `node` that `test` accepts; undefined: none. */
export function ancestor<T extends Node>(node: Node, test: (node: Node) => node is T): T | undefined {
  for (let above = node.parent as Node | undefined; above; above = above.parent) {
    if (test(above)) return above;
  }
  return undefined;
}
