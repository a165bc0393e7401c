/** Finds the fuzz targets of the whole tree. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { FuzzTarget, GoldenFile } from '@loki/test-tools';

/** Exports of a file `x.fuzz.ts`. */
interface FuzzModule {
  readonly targets?: readonly FuzzTarget[];
  readonly goldenFiles?: readonly GoldenFile[];
}

const root = join(import.meta.dirname, '../../..');

/** Targets and golden files of the whole tree, by name. */
export async function findTargets(): Promise<{ targets: FuzzTarget[]; goldenFiles: GoldenFile[] }> {
  const modules: FuzzModule[] = [];
  for (const path of globSync('libs/*/*/src/**/*.fuzz.ts', { cwd: root }).sort()) {
    modules.push((await import(join(root, path))) as FuzzModule);
  }
  const targets = modules.flatMap((each) => each.targets ?? []);
  const twice = targets.find(({ name }, index) => targets.findIndex((each) => each.name === name) < index);
  if (twice) throw new Error(`two targets are named ${twice.name}`);
  return {
    targets: targets.sort((a, b) => (a.name < b.name ? -1 : 1)),
    goldenFiles: modules.flatMap((each) => each.goldenFiles ?? []),
  };
}
