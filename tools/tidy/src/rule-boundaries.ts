/** Rule: imports point down the layers. */
import { isAllowed } from './allowances.ts';
import { importsOf, packageOfSpecifier } from './imports.ts';
import type { Import } from './imports.ts';
import { isPure, layerOf, mayImport, pureNodeModules } from './layers.ts';
import type { Fault, SourceFile, Tree } from './tree.ts';

/** Imports point down the layers, through indexes, to packages that are declared. */
export function checkBoundaries(tree: Tree): Fault[] {
  const faults: Fault[] = [];
  const byName = new Map([...tree.packages.values()].map((each) => [each.name, each]));
  const usesByPackage: Uses = new Map();
  for (const file of tree.files) {
    const home = tree.packages.get(file.package)!;
    const uses = usesByPackage.get(file.package) ?? { product: new Set<string>(), test: new Set<string>() };
    usesByPackage.set(file.package, uses);
    for (const each of importsOf(file)) {
      const report = (text: string): void => void faults.push({ path: file.path, line: each.line, text });
      if (each.isStar && !each.isTypeOnly) report('`export *` hides what is exported: name it');
      if (each.specifier.startsWith('.')) {
        if (leavesPackage(file, each.specifier)) {
          report(`${each.specifier} leaves the package: import it by its name`);
        }
        continue;
      }
      if (each.specifier.startsWith('node:')) {
        checkNode(file, each, report);
        continue;
      }
      const name = packageOfSpecifier(each.specifier)!;
      (file.isTest ? uses.test : uses.product).add(name);
      const isDeclared =
        home.dependencies.has(name) ||
        name === home.name ||
        (file.isTest && (home.devDependencies.has(name) || tree.rootDevDependencies.has(name)));
      if (!isDeclared) report(`${name} is not declared in ${file.package}/package.json`);
      const target = byName.get(name);
      if (!target) continue;
      if (each.specifier !== name) report(`${each.specifier} goes past the index of ${name}`);
      const text = layerFault(file, target.path);
      if (text !== undefined) report(text);
    }
  }
  return [...faults, ...unplaced(tree), ...unusedDeclarations(tree, usesByPackage)];
}

/** Tests may take adapters and the simulator: they are where things meet. */
function layerFault(file: SourceFile, target: string): string | undefined {
  const from = layerOf(file.package);
  const to = layerOf(target);
  if (from === undefined || to === undefined || file.package === target) return undefined;
  if (mayImport(from, to)) return undefined;
  if (file.isTest && to !== 'app' && to !== 'tool') return undefined;
  return `${from} ${file.package} must not import ${to} ${target}`;
}

function checkNode(file: SourceFile, each: Import, report: (text: string) => void): void {
  const layer = layerOf(file.package);
  if (layer === undefined || !isPure(layer) || file.isTest || each.isTypeOnly) return;
  if (!pureNodeModules.has(each.specifier) && !isAllowed(each.specifier, file.path)) {
    report(
      `${layer} ${file.package} must not import ${each.specifier}: it sees the world through @loki/ports`,
    );
  }
}

function leavesPackage(file: SourceFile, specifier: string): boolean {
  const parts = file.path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return !`${parts.join('/')}/`.startsWith(`${file.package}/`);
}

function unplaced(tree: Tree): Fault[] {
  return [...tree.packages.values()]
    .filter((each) => layerOf(each.path) === undefined)
    .map((each) => ({
      path: `${each.path}/package.json`,
      line: 1,
      text: 'a library outside of the layers: its folder has to be one of tools/tidy/src/layers.ts',
    }));
}

/** Packages that a package's product code imports, and those that its tests import. */
type Uses = Map<string, { readonly product: Set<string>; readonly test: Set<string> }>;

/**
 * Declarations without an import. A dependency that tests alone import is a devDependency: it is not shipped.
 */
function unusedDeclarations(tree: Tree, usesByPackage: Uses): Fault[] {
  const faults: Fault[] = [];
  for (const each of tree.packages.values()) {
    const uses = usesByPackage.get(each.path);
    // A package without code yet declares its future imports.
    if (uses === undefined) continue;
    const report = (text: string): void =>
      void faults.push({ path: `${each.path}/package.json`, line: 1, text });
    for (const name of each.dependencies) {
      if (uses.product.has(name)) continue;
      if (uses.test.has(name)) report(`${name} is imported by tests alone: declare it in devDependencies`);
      else report(`declares ${name} and never imports it`);
    }
    for (const name of each.devDependencies) {
      if (!uses.test.has(name)) report(`declares ${name} for tests and no test imports it`);
    }
  }
  return faults;
}
