/**
 * Files that the sources load by a name at run time: each needs a file of its own in the built product.
 */
import fs from 'node:fs';
import path from 'node:path';

/** A script of a thread, written `new URL('./x.ts', import.meta.url)` in the sources. */
export const scriptPattern = /new URL\('(\.[^']*\.ts)', import\.meta\.url\)/g;
/** A package that is loaded by its first use, written `createRequire(import.meta.url)('x')`. */
export const lazyPackagePattern = /createRequire\(import\.meta\.url\)\('([^'.][^']*)'\)/g;

export interface Entries {
  /** The apps by name, with the paths of their mains. */
  readonly apps: ReadonlyMap<string, string>;
  /** Scripts of threads by the name of their file, with their paths. */
  readonly scripts: ReadonlyMap<string, string>;
  readonly lazyPackages: ReadonlySet<string>;
}

/** @throws Error when two scripts would have one name in the flat folder of the product */
export function entriesOf(root: string): Entries {
  const apps = new Map<string, string>();
  for (const name of fs.readdirSync(path.join(root, 'apps')).toSorted()) {
    const main = path.join(root, 'apps', name, 'src/main.ts');
    if (fs.existsSync(main)) apps.set(name, main);
  }
  const scripts = new Map<string, string>();
  const lazyPackages = new Set<string>();
  for (const file of [...sourcesBelow(path.join(root, 'libs')), ...sourcesBelow(path.join(root, 'apps'))]) {
    const text = fs.readFileSync(file, 'utf8');
    for (const [, relative] of text.matchAll(scriptPattern)) {
      const script = path.resolve(path.dirname(file), relative);
      const name = path.basename(script, '.ts');
      if (apps.has(name) || (scripts.get(name) ?? script) !== script) {
        throw new Error(`${script}: the product has another file ${name}.js`);
      }
      scripts.set(name, script);
    }
    for (const [, name] of text.matchAll(lazyPackagePattern)) lazyPackages.add(name);
  }
  return { apps, scripts, lazyPackages };
}

/** Sources of the product: no tests, no helpers of tests. */
function sourcesBelow(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name.endsWith('.ts') && !each.name.endsWith('.test.ts'))
    .map((each) => path.join(each.parentPath, each.name))
    .filter((file) => !/\/(?:node_modules|test|testing)\//.test(file));
}
