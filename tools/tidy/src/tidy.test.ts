/** Protects: each rule refuses a tree that breaks it. */
import { checkTree } from './check-tree.ts';
import { importsOf } from './imports.ts';
import { maskText } from './mask.ts';
import { packagePathOf } from './test/tree.ts';
import { packageOf, sourceFile } from './tree.ts';
import type { Package, Tree } from './tree.ts';

const declared: Record<string, string[]> = {
  'libs/words/model': [],
  'libs/engines/engine': ['@loki/model'],
  'libs/adapters/runtime': ['@loki/model'],
  'libs/roles/ingester': ['@loki/model', '@loki/engine', 'yaml'],
  'libs/roles/querier': ['@loki/model'],
  'libs/testing/simulator': [],
  'apps/loki': ['@loki/ingester', '@loki/runtime'],
};

const testsDeclare: Record<string, string[]> = {
  'libs/roles/ingester': ['@loki/runtime', '@loki/simulator'],
};

/** Faults of a tree that holds these files, without those about package.json itself and missing headers. */
function faultsOf(files: Record<string, string>): string[] {
  const packages = new Map<string, Package>();
  for (const [path, names] of Object.entries(declared)) {
    const name = `@loki/${path.split('/').at(-1)}`;
    packages.set(
      path,
      packageOf(path, {
        name,
        dependencies: versions(names),
        devDependencies: versions(testsDeclare[path] ?? []),
      }),
    );
  }
  const tree: Tree = {
    packages,
    pages: [],
    rootDevDependencies: new Set(['fast-check']),
    files: Object.entries(files).map(([path, text]) => sourceFile(path, packagePathOf(path), text)),
  };
  return checkTree(tree)
    .filter(({ path, text }) => !path.endsWith('package.json') && !text.startsWith('a file opens with'))
    .map((fault) => `${fault.path}:${fault.line}: ${fault.text}`);
}

const versions = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, '*']));

test.each([
  ['const now = Date.now();', 'Date.now: the time comes from ports.Clock'],
  ['const now = new Date();', 'new Date(): the time comes from ports.Clock'],
  ['const x = Math.random();', 'Math.random: randomness comes from ports.Random'],
  [
    "new BroadcastChannel('a');",
    'new BroadcastChannel: its first message loads an HTTP client in each thread; threads report through their pool',
  ],
  ['setTimeout(() => {}, 5);', 'setTimeout: waiting is done through ports.Timers'],
  ["const x = process.env['A'];", 'process.env: the environment is read by mains, and handed down'],
  ['console.log(1);', 'console.log: logs go through ports.Logger'],
  [
    'const r = new RegExp(text);',
    'RegExp of a text made at run time: @loki/regex compiles those in linear time',
  ],
  [
    'const r = new RegExp(`a${text}`);',
    'RegExp of a text made at run time: @loki/regex compiles those in linear time',
  ],
  [
    "import { readFile } from 'node:fs';",
    'role libs/roles/ingester must not import node:fs: it sees the world through @loki/ports',
  ],
  ["import x from '@loki/querier';", 'role libs/roles/ingester must not import role libs/roles/querier'],
  [
    "import { NodeClock } from '@loki/runtime';",
    'role libs/roles/ingester must not import adapter libs/adapters/runtime',
  ],
  ["import { a } from '@loki/engine/src/a.ts';", '@loki/engine/src/a.ts goes past the index of @loki/engine'],
  [
    "import { a } from '../../engine/src/a.ts';",
    '../../engine/src/a.ts leaves the package: import it by its name',
  ],
  ["import { a } from 'left-pad';", 'left-pad is not declared in libs/roles/ingester/package.json'],
  ["export * from './a.ts';", '`export *` hides what is exported: name it'],
])('a role may not say %j', (line, text) => {
  const faults = faultsOf({ 'libs/roles/ingester/src/a.ts': `// first\n${line}\n` });
  expect(faults).toContain(`libs/roles/ingester/src/a.ts:2: ${text}`);
});

test.each([
  'const text = "Date.now() Math.random()";',
  '// Date.now() and setTimeout( are fine in a comment',
  '/* console.log( */ const x = 1;',
  'const r = /Math.random\\(\\)|[/"]setTimeout\\(/.test(text);',
  "const r = new RegExp('abc');",
  'const date = new Date(ms);',
  'timers.setTimeout(5);',
  "import { gunzipSync } from 'node:zlib';",
  "import type { Server } from 'node:http';",
  "export type * from './ast.ts';",
  "import { parse } from 'yaml';\nimport { a } from '@loki/engine';",
  'this.#require(5);',
])('%j is no fault', (line) => {
  expect(faultsOf({ 'libs/roles/ingester/src/a.ts': `${line}\n` })).toEqual([]);
});

test('code inside a template is code, its text is not', () => {
  expect(
    faultsOf({
      'libs/engines/engine/src/a.ts': 'const x = `Date.now() ${`${Date.now()}`} Math.random()`;\n',
    }),
  ).toEqual(['libs/engines/engine/src/a.ts:1: Date.now: the time comes from ports.Clock']);
});

test('an engine knows no role, a word knows no engine, no released package knows the simulator', () => {
  expect(
    faultsOf({
      'libs/engines/engine/src/a.ts': "import {\n  a,\n  b,\n} from '@loki/ingester';\n",
      'libs/words/model/src/a.ts': "import type { A } from '@loki/engine';\n",
      'apps/loki/src/a.ts': "import { a } from '@loki/simulator';\n",
    }).filter((fault) => fault.includes('must not')),
  ).toEqual([
    'apps/loki/src/a.ts:1: app apps/loki must not import testing libs/testing/simulator',
    'libs/engines/engine/src/a.ts:4: engine libs/engines/engine must not import role libs/roles/ingester',
    'libs/words/model/src/a.ts:1: word libs/words/model must not import engine libs/engines/engine',
  ]);
});

test('tests may wait, draw, and take adapters and the simulator', () => {
  expect(
    faultsOf({
      'libs/roles/ingester/src/a.test.ts':
        "import fc from 'fast-check';\nimport { NodeClock } from '@loki/runtime';\nimport { x } from '@loki/simulator';\nsetTimeout(f, Math.random());\n",
    }),
  ).toEqual([]);
});

test('a test imports declared packages only, as nx knows the tree by these declarations', () => {
  expect(faultsOf({ 'libs/roles/querier/src/a.test.ts': "import { x } from '@loki/runtime';\n" })).toEqual([
    'libs/roles/querier/src/a.test.ts:1: @loki/runtime is not declared in libs/roles/querier/package.json',
  ]);
});

test('tidy refuses names that are not kebab-case, and too long files', () => {
  expect(
    faultsOf({
      'libs/engines/engine/src/BadName.ts': '',
      'libs/engines/engine/src/Sub/index.ts': '',
      'libs/engines/engine/src/long.ts': '\n'.repeat(301),
      'libs/engines/engine/src/enough.ts': '\n'.repeat(300),
      'libs/engines/engine/src/enough.test.ts': '\n'.repeat(600),
      'libs/engines/engine/src/long.test.ts': '\n'.repeat(601),
      'libs/engines/logql/src/grammar.ts': '\n'.repeat(400),
      'libs/engines/regex/src/parser.ts': '\n'.repeat(300),
    }),
  ).toEqual([
    'libs/engines/engine/src/BadName.ts:1: file names are kebab-case',
    'libs/engines/engine/src/Sub/index.ts:1: directory names are kebab-case',
    'libs/engines/engine/src/Sub/index.ts:1: one index per package, in src',
    'libs/engines/engine/src/Sub/index.ts:1: folder Sub has no place: give it one in folderOrder of tools/tidy/src/layers.ts',
    'libs/engines/engine/src/long.test.ts:601: 601 lines; 600 are the most: split it, or list it in tools/tidy/src/rule-files.ts',
    'libs/engines/engine/src/long.ts:301: 301 lines; 300 are the most: split it, or list it in tools/tidy/src/rule-files.ts',
    'libs/engines/regex/src/parser.ts:1: 300 lines: drop it from the list of long files',
  ]);
});

test('imports of every form are found with their lines', () => {
  const text = [
    "import a from 'a';",
    "import { b, type C } from '@s/b';",
    "import type { D } from 'd';",
    "import { type E } from 'e';",
    "import * as f from 'f';",
    "import 'g';",
    "export { h } from 'h';",
    "const i = await import('i');",
    'const no = \'import x from "j"\';',
    'export const from = 5;',
  ].join('\n');
  const found = importsOf(sourceFile('libs/engines/engine/src/a.ts', 'libs/engines/engine', text));
  expect(
    found.map((each) => `${each.line} ${each.specifier}${each.isTypeOnly ? ' type' : ''}`).sort(),
  ).toEqual(['1 a', '2 @s/b', '3 d type', '4 e type', '5 f', '6 g', '7 h', '8 i']);
});

test('masking keeps length and lines, whatever the text', () => {
  for (const text of ['`${`', "'\\", '/*', 'a / b / c', '`}${{}}`', 'x = /[/]/g;\n"\n"', '}}}}`${a}']) {
    const masked = maskText(text);
    expect(masked).toHaveLength(text.length);
    expect(masked.split('\n')).toHaveLength(text.split('\n').length);
  }
  expect(maskText('a / b; Date / c')).toBe('a / b; Date / c');
});
