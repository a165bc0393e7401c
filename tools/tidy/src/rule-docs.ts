/** Rule: exported names of an index are documented. */
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
        const line = undocumentedLine(home, name);
        if (line !== undefined) {
          faults.push({
            path: home.path,
            line,
            text: `${name} is in the index: say in a doc comment what it means`,
          });
        }
      }
    }
  }
  return faults;
}

/** The line of the declaration when no doc comment stands above it. */
function undocumentedLine({ code, text }: SourceFile, name: string): number | undefined {
  const declaration = [...code.matchAll(declared)].find((match) => match[1] === name);
  if (!declaration) return undefined;
  const before = text.slice(0, declaration.index).trimEnd();
  // Tags alone say how, not what for.
  const hasDoc =
    before.endsWith('*/') && /^\/\*\*[\s*]*[^\s*@/]/.test(before.slice(before.lastIndexOf('/*')));
  return hasDoc ? undefined : lineAt(text, declaration.index);
}
