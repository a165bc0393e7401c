/** Rule: packages match their place in the tree, and ship allowed packages only. */
import { layerOf } from './layers.ts';
import { productionPackages } from './production-packages.ts';
import type { Fault, Package, Tree } from './tree.ts';

/** Each package is the nx project that its place in the tree says, and ships allowed packages only. */
export function checkPackages(tree: Tree): Fault[] {
  const faults: Fault[] = [];
  const workspace = new Set([...tree.packages.values()].map((each) => each.name));
  for (const each of tree.packages.values()) {
    const report = (text: string): void =>
      void faults.push({ path: `${each.path}/package.json`, line: 1, text });
    for (const fault of projectFaults(tree, each)) report(fault);
    if (each.path.startsWith('tools/')) continue;
    for (const name of each.dependencies) {
      if (workspace.has(name) || productionPackages.has(name)) continue;
      report(`${name} is no production package: tools/tidy/src/production-packages.ts lists those`);
    }
  }
  return faults;
}

function projectFaults(tree: Tree, each: Package): string[] {
  const group = each.path.slice(0, each.path.indexOf('/'));
  const folder = each.path.slice(each.path.lastIndexOf('/') + 1);
  const layer = layerOf(each.path);
  if (layer === undefined) return [];
  const faults: string[] = [];
  const expect = (field: string, actual: unknown, expected: string): void => {
    if (actual !== expected) faults.push(`nx: ${field} is ${String(actual)}, the folder says ${expected}`);
  };
  expect('name', each.nx?.name, group === 'apps' ? `app-${folder}` : folder);
  expect('projectType', each.nx?.projectType, group === 'libs' ? 'library' : 'application');
  expect('tags', each.nx?.tags?.join(), `layer:${layer}`);
  const files = tree.files.filter((file) => file.package === each.path);
  const targets = each.nx?.targets ?? {};
  const needs = (target: string, isNeeded: boolean): void => {
    const isThere = Object.hasOwn(targets, target);
    if (isThere !== isNeeded) {
      faults.push(`nx: target ${target} is ${isNeeded ? 'missing' : 'without a use'}`);
    }
  };
  needs('lint', files.length > 0);
  const hasTests = files.some((file) => file.path.endsWith('.test.ts'));
  // Tests of the running product depend on almost everything: a target of their own keeps `affected -t test`
  // short.
  const isEndToEnd = folder.endsWith('-e2e');
  needs('test', hasTests && !isEndToEnd);
  needs('e2e', hasTests && isEndToEnd);
  return faults;
}
