/** Rule: every export has an importer. */
import { posix } from 'node:path';
import { exportsOf, nameUsesOf } from './exports.ts';
import type { Export } from './exports.ts';
import type { Fault, SourceFile, Tree } from './tree.ts';

/** Files that take a name from another file. */
type Users = ReadonlyMap<string, ReadonlySet<SourceFile>>;

/**
 * An export has an importer. One that only tests import is used by its own file as well: otherwise it is dead
 * code, or test code under a product's name. A name of an index is used by another package.
 */
export function checkExports(tree: Tree): Fault[] {
  const users = usersOf(tree);
  const faults: Fault[] = [];
  for (const file of tree.files) {
    if (file.isTest) continue;
    for (const each of exportsOf(file)) {
      const text = isIndex(file) ? indexFault(file, each, users) : exportFault(file, each, users);
      if (text !== undefined) faults.push({ path: file.path, line: each.line, text });
    }
  }
  return faults;
}

function indexFault(file: SourceFile, { name }: Export, users: Users): string | undefined {
  const others = usersOfName(file, name, users).filter((user) => user.package !== file.package);
  return others.length === 0 ? `no other package imports ${name}: take it out of the index` : undefined;
}

function exportFault(file: SourceFile, { name }: Export, users: Users): string | undefined {
  const importers = usersOfName(file, name, users);
  if (importers.some((user) => !user.isTest)) return undefined;
  const isUsedHere =
    file.code.split(new RegExp(`(?<![\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])`)).length > 2;
  if (importers.length === 0) {
    return isUsedHere ? `nothing imports ${name}: drop its export` : `${name} is dead: nothing uses it`;
  }
  return isUsedHere ? undefined : `only tests use ${name}: move it to them, or delete it`;
}

function usersOfName(file: SourceFile, name: string, users: Users): SourceFile[] {
  return [name, '*'].flatMap((each) => [...(users.get(`${file.path} ${each}`) ?? [])]);
}

function usersOf(tree: Tree): Users {
  const paths = new Map([...tree.packages.values()].map((each) => [each.name, each.path]));
  const users = new Map<string, Set<SourceFile>>();
  for (const file of tree.files) {
    for (const { specifier, name } of nameUsesOf(file)) {
      const target = specifier.startsWith('.')
        ? posix.join(posix.dirname(file.path), specifier)
        : `${paths.get(specifier)}/src/index.ts`;
      const key = `${target} ${name}`;
      const importers = users.get(key) ?? new Set();
      users.set(key, importers.add(file));
    }
  }
  return users;
}

function isIndex(file: SourceFile): boolean {
  return file.path === `${file.package}/src/index.ts`;
}
