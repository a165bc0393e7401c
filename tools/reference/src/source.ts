/**
 * The tree's TypeScript as syntax: the reference pages are derived from it, so they cannot differ from it.
 */
import path from 'node:path';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { isImportDeclaration, isNamedImports, isStringLiteral } from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';
import { forEachDescendant } from './walk.ts';

/** The root of the tree. */
export const root = path.join(import.meta.dirname, '../../..');

/** One file of a product: no test, no helper of tests, no generated code. */
export interface ProductFile {
  /** From the root of the tree, with `/`. */
  readonly path: string;
  readonly syntax: SourceFile;
  /** All nodes of the file, parents before children. */
  readonly nodes: readonly Node[];
  /** Imported names, with where they come from. */
  readonly imports: ReadonlyMap<string, string>;
}

/** Code that no released process runs. */
const outside = /\.(?:test|fuzz)\.ts$|\/src\/test\/|\/generated\/|^libs\/testing\/|^tools\//;

/**
 * Parses the product's files; about two seconds, most of it TypeScript's own.
 *
 * @param read    is given the files by their paths; their syntax is gone when it has returned
 * @param skipped paths that are left out; default: code that no released process runs
 */
export async function readProduct<T>(
  read: (files: ReadonlyMap<string, ProductFile>) => Promise<T>,
  skipped = outside,
): Promise<T> {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [path.join(root, 'tsconfig.json')] });
    const [project] = snapshot.getProjects();
    const files = new Map<string, ProductFile>();
    for (const name of [...project.rootFiles].sort()) {
      const file = path.relative(root, name).replaceAll('\\', '/');
      if (skipped.test(file)) continue;
      const syntax = project.program.getSourceFile(name);
      if (!syntax) throw new Error(`TypeScript does not know ${file}`);
      const nodes: Node[] = [];
      forEachDescendant(syntax, (node) => void nodes.push(node));
      files.set(file, { path: file, syntax, nodes, imports: importsOf(syntax) });
    }
    return await read(files);
  } finally {
    api.close();
  }
}

/** The names that a file imports, with where they come from. */
function importsOf(syntax: SourceFile): Map<string, string> {
  const names = new Map<string, string>();
  for (const statement of syntax.statements) {
    if (!isImportDeclaration(statement) || !isStringLiteral(statement.moduleSpecifier)) continue;
    const bindings = statement.importClause?.namedBindings;
    if (!bindings || !isNamedImports(bindings)) continue;
    for (const { name } of bindings.elements) names.set(name.text, statement.moduleSpecifier.text);
  }
  return names;
}
