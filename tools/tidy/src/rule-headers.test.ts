/** Protects readers from files that start with imports and do not say what they are. */
import { checkHeaders } from './rule-headers.ts';
import { sourceFile } from './tree.ts';

function faultsOf(text: string, path = 'libs/words/model/src/a.ts'): string[] {
  return checkHeaders({
    files: [sourceFile(path, 'libs/words/model', text)],
    pages: [],
    packages: new Map(),
    rootDevDependencies: new Set(),
  }).map((fault) => `${fault.line}: ${fault.text}`);
}

const noHeader = ['1: a file opens with a comment that says what it is'];

test.each([
  ["import { b } from './b.ts';\n\n/** A row. */\nexport interface Row {}\n", noHeader],
  ['#!/usr/bin/env node\nrun();\n', noHeader],
  ['\n/** Rows of a segment. */\n', noHeader],
  ["/** Rows of a segment. */\nimport { b } from './b.ts';\n", []],
  ['// Rows of a segment.\nexport const rows = 1;\n', []],
  ['#!/usr/bin/env node\n/** Runs the program. */\nrun();\n', []],
])('%j', (text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});

test('the name of a test says what it is about; helpers of tests need a header', () => {
  expect(faultsOf('run();\n', 'libs/words/model/src/a.test.ts')).toEqual([]);
  expect(faultsOf('run();\n', 'libs/words/model/src/test/a.ts')).toEqual(noHeader);
});
