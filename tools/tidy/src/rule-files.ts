/** Rule: sizes and names of files. */
import type { Fault, Tree } from './tree.ts';

/** Beyond this a file is two things. */
const linesMax = 300;

/** A test is one promise with all its cases. */
const testLinesMax = 600;

/** Files that may be longer, up to `lines`, with the reason. The list may only become shorter. */
const longFiles: ReadonlyMap<string, { readonly lines: number; readonly reason: string }> = new Map([
  [
    'libs/engines/logql/src/grammar.ts',
    { lines: 400, reason: 'the grammar of LogQL is read as a whole: its rules name each other' },
  ],
  [
    'libs/engines/regex/src/parser.ts',
    {
      lines: 400,
      reason: 'the syntax of RE2 is read as a whole: each construct depends on the flags and the open groups',
    },
  ],
  [
    'libs/engines/segment/src/write/row-buffer.ts',
    { lines: 350, reason: 'all methods work on the same growing columns, which are private' },
  ],
  [
    'libs/adapters/write-log/src/partition-log.ts',
    { lines: 450, reason: 'append, sync, read and removal are correct only in the order that stands here' },
  ],
]);

const kebabCase = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.fuzz)?(?:\.(?:test|bench))?\.ts$/;
const kebabDirectory = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Sizes and names. */
export function checkFiles(tree: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const file of tree.files) {
    const lines = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0);
    const most = linesMaxOf(file.path);
    if (lines > most) {
      faults.push({
        path: file.path,
        line: most + 1,
        text: `${lines} lines; ${most} are the most: split it, or list it in tools/tidy/src/rule-files.ts`,
      });
    }
    if (lines <= linesMax && longFiles.has(file.path)) {
      faults.push({ path: file.path, line: 1, text: `${lines} lines: drop it from the list of long files` });
    }
    const parts = file.path.slice(file.package.length + 1).split('/');
    const name = parts.pop()!;
    if (!kebabCase.test(name)) faults.push({ path: file.path, line: 1, text: 'file names are kebab-case' });
    if (parts.some((part) => !kebabDirectory.test(part))) {
      faults.push({ path: file.path, line: 1, text: 'directory names are kebab-case' });
    }
    if (name === 'index.ts' && parts.join('/') !== 'src') {
      faults.push({ path: file.path, line: 1, text: 'one index per package, in src' });
    }
  }
  return faults;
}

function linesMaxOf(path: string): number {
  const isTest = /\.(?:test|fuzz|bench)\.ts$/.test(path) || path.includes('/src/test/');
  if (isTest) return testLinesMax;
  return longFiles.get(path)?.lines ?? linesMax;
}
