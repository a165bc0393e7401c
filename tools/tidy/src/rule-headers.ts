/** Rule of tidy: each source file opens with a comment that says what the file is. */
import type { Fault, Tree } from './tree.ts';

/** Folders whose files all have a header. */
const folders = ['libs/words/', 'libs/engines/', 'libs/adapters/'];
/** The first characters of a comment, after the line that names the interpreter of a program. */
const header = /^(?:#!.*\n)?\/[/*]/;

/** Reports files without a first comment. The name of a test says what the test is about. */
export function checkHeaders({ files }: Tree): Fault[] {
  return files
    .filter(({ path }) => !path.endsWith('.test.ts') && folders.some((folder) => path.startsWith(folder)))
    .filter(({ text }) => !header.test(text))
    .map(({ path }) => ({ path, line: 1, text: 'a file opens with a comment that says what it is' }));
}
