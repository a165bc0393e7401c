/** The imports of a file. */
import { lineAt } from './tree.ts';
import type { SourceFile } from './tree.ts';

/** One import of a file. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import type` or `export type`: gone before anything runs. */
  readonly isTypeOnly: boolean;
  /** `export * from`. */
  readonly isStar: boolean;
}

const statement = /^[ \t]*(import|export)\b/gm;
/** Between the keyword and `from`: names, braces, stars, commas, and nothing that ends a statement. */
const clause = /^([\w$*{},\s]*?)\bfrom\s*(["'])/;
const bare = /^[ \t]*import\s*(["'])/gm;
const dynamic = /(?<![.\w$#])(?:import|require)\s*\(\s*(["'])/g;

/** The longest list of names one statement may have. */
const clauseCharsMax = 8192;

/** All imports and re-exports of a file. Found in the masked code, read from the text. */
export function importsOf(file: SourceFile): Import[] {
  const imports: Import[] = [];
  for (const match of file.code.matchAll(statement)) {
    const start = match.index + match[0].length;
    const afterWord = clause.exec(file.code.slice(start, start + clauseCharsMax));
    if (!afterWord) continue;
    const names = afterWord[1].trim();
    imports.push({
      ...specifierAt(file, start + afterWord[0].length - 1),
      isTypeOnly: /^type\b/.test(names) || isAllTypes(names),
      isStar: match[1] === 'export' && /^(?:type\s*)?\*$/.test(names),
    });
  }
  for (const pattern of [bare, dynamic]) {
    for (const match of file.code.matchAll(pattern)) {
      imports.push({
        ...specifierAt(file, match.index + match[0].length - 1),
        isTypeOnly: /\btypeof\s*$/.test(file.code.slice(0, match.index)),
        isStar: false,
      });
    }
  }
  return imports;
}

function specifierAt(file: SourceFile, quote: number): { specifier: string; line: number } {
  const end = file.text.indexOf(file.text[quote], quote + 1);
  return { specifier: file.text.slice(quote + 1, end), line: lineAt(file.text, quote) };
}

/** `{ type A, type B }`. */
function isAllTypes(names: string): boolean {
  const inside = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1];
  if (inside === undefined) return false;
  const parts = inside
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return parts.length > 0 && parts.every((part) => part.startsWith('type '));
}

/**
 * The package of a specifier: `@loki/a/b` is `@loki/a`, `yaml/x` is `yaml`; undefined for files and Node's
 * own.
 */
export function packageOfSpecifier(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}
