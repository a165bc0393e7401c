/** The order of a file's imports, as one function for the rule and for the command that mends it. */

/**
 * Groups from the top of a file down: Node's modules, packages of the registry, packages of this tree, own
 * files.
 */
const groups: readonly RegExp[] = [/^node:/, /^(?!\.|@loki\/)/, /^@loki\//, /^\./];

/** An import with the comment above it. */
const statement =
  /\s*((?:\/\/[^\n]*\n|\/\*(?:(?!\*\/)[\s\S])*\*\/\n)*import\b[^'";]*(?:(['"])([^'"]*)\2);\n)/y;

/** The comment that opens the file, and blank lines after it. */
const opening = /^(?:#![^\n]*\n)?(?:(?:\/\/[^\n]*\n)+|\/\*(?:(?!\*\/)[\s\S])*\*\/\n)?\n*/;

interface Statement {
  readonly text: string;
  readonly specifier: string;
}

/**
 * The text with the imports at its top in order: by group, then by specifier, the values of a module before
 * its types. An import keeps the comment above it; the comment that opens the file stays. Imports after other
 * code are left alone.
 */
export function withOrderedImports(text: string): string {
  const start = opening.exec(text)![0].length;
  const statements: Statement[] = [];
  statement.lastIndex = start;
  let end = start;
  for (let match = statement.exec(text); match !== null; match = statement.exec(text)) {
    statements.push({ text: match[1], specifier: match[3] });
    end = statement.lastIndex;
  }
  if (statements.length < 2) return text;
  const ordered = statements.toSorted(compareStatements).map((each) => each.text);
  return text.slice(0, start) + ordered.join('') + text.slice(end);
}

function compareStatements(a: Statement, b: Statement): number {
  return (
    groupOf(a) - groupOf(b) ||
    (a.specifier < b.specifier ? -1 : a.specifier > b.specifier ? 1 : 0) ||
    Number(isType(a)) - Number(isType(b))
  );
}

function groupOf({ specifier }: Statement): number {
  return groups.findIndex((group) => group.test(specifier));
}

function isType({ text }: Statement): boolean {
  return /^import type\b/m.test(text);
}
