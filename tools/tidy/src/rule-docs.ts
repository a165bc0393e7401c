/** Rule: exported names of an index are documented, by more than their names. */
import { posix } from 'node:path';
import { lineAt } from './tree.ts';
import type { Fault, SourceFile, Tree } from './tree.ts';

/** `export { a, type b as c } from './x.ts'`, also over several lines. */
const passedOn = /^export\s+(?:type\s+)?\{([^}]*)\}\s*from\s*(["'])/gm;
const declared =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:function\*?|class|const|let|type|interface|enum)\s+([A-Za-z_$][\w$]*)/gm;

/**
 * A name of a library's index is read by people who do not know the library: its declaration says what it
 * means. Code that is generated speaks by its source.
 */
export function checkDocs(tree: Tree): Fault[] {
  const files = new Map(tree.files.map((file) => [file.path, file]));
  const faults: Fault[] = [];
  for (const index of tree.files) {
    if (!index.path.startsWith('libs/') || index.path !== `${index.package}/src/index.ts`) continue;
    for (const match of index.code.matchAll(passedOn)) {
      const quote = match.index + match[0].length - 1;
      const specifier = index.text.slice(quote + 1, index.text.indexOf(index.text[quote], quote + 1));
      const home = files.get(posix.join(posix.dirname(index.path), specifier));
      if (!home) continue;
      for (const [, name] of match[1].matchAll(/(?:type\s+)?([\w$]+)(?:\s+as\s+[\w$]+)?/g)) {
        const doc = docOf(home, name);
        if (doc === undefined) continue;
        const text =
          doc.text === ''
            ? `${name} is in the index: say in a doc comment what it means`
            : `the doc comment of ${name} repeats its name: say meaning, units, errors or cost`;
        if (doc.text === '' || isRepetition(doc.text, name)) {
          faults.push({ path: home.path, line: doc.line, text });
        }
      }
    }
  }
  return faults;
}

/**
 * The line of a declaration, and the text of the doc comment above it; '' without one. Undefined: the file
 * does not declare the name.
 */
function docOf({ code, text }: SourceFile, name: string): { line: number; text: string } | undefined {
  const declaration = [...code.matchAll(declared)].find((match) => match[1] === name);
  if (!declaration) return undefined;
  const line = lineAt(text, declaration.index);
  const before = text.slice(0, declaration.index).trimEnd();
  const comment = before.endsWith('*/') ? before.slice(before.lastIndexOf('/*')) : '';
  // Tags alone say how, not what for.
  const hasDoc = /^\/\*\*[\s*]*[^\s*@/]/.test(comment);
  return { line, text: hasDoc ? comment : '' };
}

const smallWords = new Set(['a', 'an', 'the', 'of', 'for', 'in', 'to', 'one', 'each']);

/** Whether every word of the comment is a small one, or a word of the name in any inflection. */
function isRepetition(comment: string, name: string): boolean {
  const stems = new Set(name.split(/(?=[A-Z])|_/).map(stemOf));
  const words = (comment.match(/[A-Za-z]+/g) ?? []).filter((word) => !smallWords.has(word.toLowerCase()));
  return words.length > 0 && words.every((word) => stems.has(stemOf(word)));
}

function stemOf(word: string): string {
  return word.toLowerCase().replace(/(?:ies|ing|ed|es|s)$/, '');
}
