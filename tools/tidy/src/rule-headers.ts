/** Rule of tidy: each source file opens with a comment that says what the file is. */
import type { Fault, Tree } from './tree.ts';

/** The first characters of a comment, after the line that names the interpreter of a program. */
const header = /^(?:#!.*\n)?\/[/*]/;

/** Reports files without a first comment. The name of a test says what the test is about. */
export function checkHeaders({ files }: Tree): Fault[] {
  return files
    .filter(({ path, text }) => !path.endsWith('.test.ts') && !header.test(text))
    .map(({ path }) => ({ path, line: 1, text: 'a file opens with a comment that says what it is' }));
}
