/**
 * Protects readers from unused names: dead code, exports without an importer, index names that no other
 * library imports.
 */
import { checkExports } from './rule-exports.ts';
import { packagePathOf } from './test/tree.ts';
import { packageOf, sourceFile } from './tree.ts';

function faultsOf(files: Record<string, string>): string[] {
  const paths = [...new Set(Object.keys(files).map((path) => packagePathOf(path)))];
  return checkExports({
    files: Object.entries(files).map(([path, text]) => sourceFile(path, packagePathOf(path), text)),
    packages: new Map(
      paths.map((path) => [path, packageOf(path, { name: `@loki/${path.split('/').at(-1)}` })]),
    ),
    pages: [],
    rootDevDependencies: new Set(),
  }).map((fault) => `${fault.path}:${fault.line}: ${fault.text}`);
}

const user = "import { a } from '@loki/model';\n";

test('exports with importers, and names of an index with users elsewhere, are no faults', () => {
  expect(
    faultsOf({
      'libs/words/model/src/index.ts': "export { a } from './a.ts';\nexport type { T as U } from './a.ts';\n",
      'libs/words/model/src/a.ts': "import { b } from './b.ts';\nexport const a = b;\nexport type T = 5;\n",
      'libs/words/model/src/b.ts': 'export const b = 1;\nexport function used() {}\nused();\n',
      'libs/words/model/src/b.test.ts': "import { used } from './b.ts';\n",
      'libs/words/model/src/worker.ts': 'export const serve = 1;\n',
      'libs/words/model/src/entry.ts': "const { serve } = await import('./worker.ts');\n",
      'libs/engines/engine/src/c.ts': `${user}import type { U } from '@loki/model';\n`,
    }),
  ).toEqual([]);
});

test.each([
  ['export const b = 1;\n', 'libs/words/model/src/b.ts:1: b is dead: nothing uses it'],
  [
    '// first\nexport const b = 1;\nlog(b);\n',
    'libs/words/model/src/b.ts:2: nothing imports b: drop its export',
  ],
  [
    'const b = 1;\nlog(b);\nexport { b };\n',
    'libs/words/model/src/b.ts:3: nothing imports b: drop its export',
  ],
])('%j is a fault', (text, fault) => {
  expect(faultsOf({ 'libs/words/model/src/b.ts': text })).toEqual([fault]);
});

test('product code that tests alone use is a fault', () => {
  expect(
    faultsOf({
      'libs/words/model/src/b.ts': 'export const b = 1;\n',
      'libs/words/model/src/b.test.ts': "import { b } from './b.ts';\n",
    }),
  ).toEqual(['libs/words/model/src/b.ts:1: only tests use b: move it to them, or delete it']);
});

test('a name of an index without a user in another package is a fault, at its line', () => {
  expect(
    faultsOf({
      'libs/words/model/src/index.ts': "export {\n  a,\n  b,\n} from './a.ts';\n",
      'libs/words/model/src/a.ts': 'export const a = 1;\nexport const b = 1;\n',
      'libs/words/model/src/own.test.ts': "import { b } from './index.ts';\n",
      'libs/engines/engine/src/c.ts': user,
    }),
  ).toEqual(['libs/words/model/src/index.ts:3: no other package imports b: take it out of the index']);
});
