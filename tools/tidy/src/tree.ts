/** The files and packages of the tree. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { maskText } from './mask.ts';

/** One TypeScript file below some package's `src`. */
export interface SourceFile {
  /** From the root of the tree, with `/`. */
  readonly path: string;
  /** `libs/engines/engine`. */
  readonly package: string;
  readonly text: string;
  /** The text with comments and the insides of strings blanked, character for character. */
  readonly code: string;
  readonly isTest: boolean;
}

export interface Package {
  /** `libs/engines/engine`. */
  readonly path: string;
  /** `@loki/engine`. */
  readonly name: string;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
  /** Its block for nx; undefined where package.json has none. */
  readonly nx: NxBlock | undefined;
}

/** The part of a project's nx configuration that the tree's own layout decides. */
interface NxBlock {
  readonly name?: string;
  readonly projectType?: string;
  readonly tags?: readonly string[];
  readonly targets?: Readonly<Record<string, unknown>>;
}

export interface Tree {
  readonly files: readonly SourceFile[];
  /** Markdown of the tree; licences and texts in other languages are none. */
  readonly pages: readonly Page[];
  readonly packages: ReadonlyMap<string, Package>;
  /** Packages the root declares for tests and tools of everybody. */
  readonly rootDevDependencies: ReadonlySet<string>;
}

/** One page of documentation. */
interface Page {
  /** From the root of the tree, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** A broken rule. `line` counts from 1. */
export interface Fault {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

interface PackageJson {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly nx?: NxBlock;
}

/** Folders of packages: those of `libs` are its own folders. */
const groups = ['apps', 'tools'];
const skippedDirectories = new Set(['node_modules', 'testdata', 'generated', 'dist']);
/** Folders whose pages are not ours, or are made anew by a program that git does not see. */
const foldersWithoutPages = new Set([...skippedDirectories, 'data', 'release', 'api', 'coverage']);

/** Reads the whole tree below `root`. */
export function readTree(root: string): Tree {
  const files: SourceFile[] = [];
  const packages = new Map<string, Package>();
  const libraries = namesIn(join(root, 'libs')).map((name) => `libs/${name}`);
  for (const group of [...groups, ...libraries]) {
    for (const name of namesIn(join(root, group))) {
      const path = `${group}/${name}`;
      const json = readJson(join(root, path, 'package.json'));
      if (json === undefined) continue;
      packages.set(path, packageOf(path, json));
      collect(root, `${path}/src`, path, files);
    }
  }
  const rootJson = readJson(join(root, 'package.json'));
  const pages: Page[] = [];
  collectPages(root, '', pages);
  return {
    files,
    pages,
    packages,
    rootDevDependencies: new Set(Object.keys(rootJson?.devDependencies ?? {})),
  };
}

export function packageOf(path: string, json: PackageJson): Package {
  return {
    path,
    name: json.name ?? path,
    dependencies: new Set([
      ...Object.keys(json.dependencies ?? {}),
      ...Object.keys(json.optionalDependencies ?? {}),
    ]),
    devDependencies: new Set(Object.keys(json.devDependencies ?? {})),
    nx: json.nx,
  };
}

/**
 * Code that no released process runs: tests and targets of the fuzzer beside their subject, and their helpers
 * and benchmarks in `src/test`.
 */
const testName = /\.(?:test|fuzz)\.ts$|\/src\/test\//;

export function sourceFile(path: string, packagePath: string, text: string): SourceFile {
  return { path, package: packagePath, text, code: maskText(text), isTest: testName.test(path) };
}

/** The line of a character. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

function collect(root: string, directory: string, packagePath: string, files: SourceFile[]): void {
  for (const name of namesIn(join(root, directory))) {
    const path = `${directory}/${name}`;
    if (statSync(join(root, path)).isDirectory()) {
      if (!skippedDirectories.has(name)) collect(root, path, packagePath, files);
    } else if (name.endsWith('.ts')) {
      files.push(sourceFile(path, packagePath, readFileSync(join(root, path), 'utf8')));
    }
  }
}

function collectPages(root: string, directory: string, pages: Page[]): void {
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!foldersWithoutPages.has(entry.name) && (!entry.name.startsWith('.') || entry.name === '.github')) {
        collectPages(root, path, pages);
      }
    } else if (/(?<!_zh)\.md$/.test(entry.name)) {
      pages.push({ path, text: readFileSync(join(root, path), 'utf8') });
    }
  }
}

function namesIn(directory: string): string[] {
  return isThere(directory) ? readdirSync(directory).sort() : [];
}

function readJson(path: string): PackageJson | undefined {
  return isThere(path) ? (JSON.parse(readFileSync(path, 'utf8')) as PackageJson) : undefined;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
