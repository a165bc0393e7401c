/** Protects readers from variables such as `found`, whose value only the lines before them tell. */
import { checkNames } from './rule-names.ts';
import { sourceFile } from './tree.ts';

function faultsOf(text: string, path = 'libs/words/model/src/a.ts'): string[] {
  return checkNames({
    files: [sourceFile(path, 'libs/words/model', text)],
    pages: [],
    packages: new Map(),
    rootDevDependencies: new Set(),
  }).map((fault) => `${fault.line}: ${fault.text}`);
}

const refused = (name: string) => [`1: a variable is named by a noun: not "${name}"`];

test.each([
  ['const found = index.get(key);', refused('found')],
  ['for (const seen of streams) count++;', refused('seen')],
  ['let kept = 0;', refused('kept')],
  ['function release(held: Lease): void {}', refused('held')],
  ['names.map((known) => known.length);', refused('known')],
  ['names.sort((a, wanted) => a - wanted);', refused('wanted')],
  ['const either = AbortSignal.any([a, b]);', refused('either')],
  ['let looks = 0;', refused('looks')],
  ['let moved = false;', refused('moved')],
  ['const match = index.get(key);', []],
  ['const foundRows = index.get(key);', []],
  ['const { a, ...rest } = value;', []],
  ['return { found: 1, kept: cache.kept };', []],
  ['// const found = 1;', []],
])('%s', (text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});

test('variables of tests may have any name', () => {
  expect(faultsOf('const found = 1;', 'libs/words/model/src/a.test.ts')).toEqual([]);
});
