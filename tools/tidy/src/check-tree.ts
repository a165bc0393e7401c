/** Runs all rules over the tree. */
import { checkBoundaries } from './rule-boundaries.ts';
import { checkComments } from './rule-comments.ts';
import { checkDocs } from './rule-docs.ts';
import { checkExports } from './rule-exports.ts';
import { checkFiles } from './rule-files.ts';
import { checkFolders } from './rule-folders.ts';
import { checkHeaders } from './rule-headers.ts';
import { checkNames } from './rule-names.ts';
import { checkPackages } from './rule-packages.ts';
import { checkText } from './rule-text.ts';
import { checkWaits } from './rule-waits.ts';
import { checkWorld } from './rule-world.ts';
import type { Fault, Tree } from './tree.ts';

/** All faults, by place. */
export function checkTree(tree: Tree): Fault[] {
  return [
    ...checkFiles(tree),
    ...checkText(tree),
    ...checkComments(tree),
    ...checkHeaders(tree),
    ...checkNames(tree),
    ...checkDocs(tree),
    ...checkWorld(tree),
    ...checkWaits(tree),
    ...checkBoundaries(tree),
    ...checkPackages(tree),
    ...checkExports(tree),
    ...checkFolders(tree),
  ].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line));
}
