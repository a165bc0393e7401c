/** The exports of a file. */
import { lineAt } from './tree.ts';
import type { SourceFile } from './tree.ts';

/** A name that a file offers to others. */
export interface Export {
  readonly name: string;
  readonly line: number;
  /** The file declares the name itself; false: it passes on another file's. */
  readonly isDeclared: boolean;
}

/** A name that a file imports from another. `*`: every name. */
interface NameUse {
  readonly specifier: string;
  readonly name: string;
}

const declaration =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:function\*?|class|const|let|type|interface|enum)\s+([A-Za-z_$][\w$]*)/gm;
/** `import { … } from`, `export { … } from`, `export { … }`. */
const nameList = /^[ \t]*(export|import)\s+(?:type\s+)?\{([^}]*)\}\s*(?:from\s*(["']))?/gm;
/** `const { … } = await import('…')`. */
const destructured = /\{([^{}]*)\}\s*=\s*await\s+import\s*\(\s*(["'])/g;
/**
 * Imports that may use any name: `import * as x from`, `export type * from`, `import('…')` of any other form.
 */
const wholeModule = [
  /\bimport\s+(?:type\s+)?\*\s+as\s+[\w$]+\s+from\s*(["'])/g,
  /^export\s+(?:type\s+)?\*\s+from\s*(["'])/gm,
  /(?<![.\w$#]|\}\s*=\s*await\s+)import\s*\(\s*(["'])/g,
];

/** All names that the file exports. */
export function exportsOf(file: SourceFile): Export[] {
  const names: Export[] = [];
  for (const match of file.code.matchAll(declaration)) {
    names.push({ name: match[1], line: lineAt(file.text, match.index), isDeclared: true });
  }
  for (const match of file.code.matchAll(nameList)) {
    if (match[1] !== 'export') continue;
    for (const { alias, offset } of namesIn(match[2])) {
      const at = match.index + match[0].indexOf('{') + 1 + offset;
      names.push({ name: alias, line: lineAt(file.text, at), isDeclared: match[3] === undefined });
    }
  }
  return names;
}

/** All names that the file imports, including those that it passes on. */
export function nameUsesOf(file: SourceFile): NameUse[] {
  const uses: NameUse[] = [];
  for (const match of file.code.matchAll(nameList)) {
    if (match[3] === undefined) continue;
    const specifier = quotedAt(file, match.index + match[0].length - 1);
    for (const { name } of namesIn(match[2])) uses.push({ specifier, name });
  }
  for (const match of file.code.matchAll(destructured)) {
    const specifier = quotedAt(file, match.index + match[0].length - 1);
    for (const { name } of namesIn(match[1].replaceAll(/:\s*[\w$]+/g, ''))) uses.push({ specifier, name });
  }
  for (const pattern of wholeModule) {
    for (const match of file.code.matchAll(pattern)) {
      uses.push({ specifier: quotedAt(file, match.index + match[0].length - 1), name: '*' });
    }
  }
  return uses;
}

function namesIn(list: string): { name: string; alias: string; offset: number }[] {
  return [...list.matchAll(/(?:type\s+)?([\w$]+)(?:\s+as\s+([\w$]+))?/g)].map((match) => ({
    name: match[1],
    alias: match[2] ?? match[1],
    offset: match.index,
  }));
}

function quotedAt(file: SourceFile, quote: number): string {
  return file.text.slice(quote + 1, file.text.indexOf(file.text[quote], quote + 1));
}
