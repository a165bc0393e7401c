/** Rule: imports go down the order of a library's folders. */
import { posix } from 'node:path';
import { importsOf } from './imports.ts';
import { folderOrder } from './layers.ts';
import type { Fault, SourceFile, Tree } from './tree.ts';

/**
 * Within a library, imports go down the order of its folders; files beside the folders are on top of them.
 */
export function checkFolders(tree: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const file of tree.files) {
    const folder = folderOf(file.path, file.package);
    if (folder === testFolder) continue;
    const order = folderOrder[file.package] ?? [];
    if (folder !== '' && !order.includes(folder)) {
      const text = `folder ${folder} has no place: give it one in folderOrder of tools/tidy/src/layers.ts`;
      faults.push({ path: file.path, line: 1, text });
    } else if (!file.isTest) {
      faults.push(...arrowsUp(file, folder, order));
    }
  }
  return faults;
}

/** Helpers of tests, benchmarks and tests of a whole library. */
const testFolder = 'test';

function arrowsUp(file: SourceFile, folder: string, order: readonly string[]): Fault[] {
  const heightOf = (each: string): number => (each === '' ? order.length : order.indexOf(each));
  return importsOf(file).flatMap(({ specifier, line }) => {
    if (!specifier.startsWith('.')) return [];
    const target = folderOf(posix.join(posix.dirname(file.path), specifier), file.package);
    if (target === testFolder) return [{ path: file.path, line, text: `${specifier} is test code` }];
    if (heightOf(target) <= heightOf(folder)) return [];
    const text = `${folder} stands below ${target || 'the files beside the folders'}: imports go down only`;
    return [{ path: file.path, line, text }];
  });
}

/** The folder below `src`; '' for files that stand in none. */
function folderOf(path: string, packagePath: string): string {
  const parts = path.slice(packagePath.length + 1).split('/');
  return parts.length > 2 ? parts[1] : '';
}
