/** Protects readers of a library: each name that its index offers says what it means. */
import { checkDocs } from './rule-docs.ts';
import { sourceFile } from './tree.ts';

function faultsOf(index: string, text: string, path = 'libs/words/model'): string[] {
  const files = [sourceFile(`${path}/src/index.ts`, path, index), sourceFile(`${path}/src/a.ts`, path, text)];
  return checkDocs({ files, packages: new Map(), pages: [], rootDevDependencies: new Set() }).map(
    (fault) => `${fault.path}:${fault.line}: ${fault.text}`,
  );
}

const fault = (name: string, line: number) =>
  `libs/words/model/src/a.ts:${line}: ${name} is in the index: say in a doc comment what it means`;

const repeats =
  'libs/words/model/src/a.ts:2: the doc comment of rowBytes repeats its name: say meaning, units, errors or cost';

test.each([
  ["export { a } from './a.ts';", 'export function a() {}', [fault('a', 1)]],
  ["export { a } from './a.ts';", '/** A function. */\nexport function a() {}', []],
  [
    "export type {\n  A,\n  B as C,\n} from './a.ts';",
    '/** One. */\nexport type A = 1;\nexport interface B {}',
    [fault('B', 3)],
  ],
  ["export { a } from './a.ts';", '// no doc comment\nexport const a = 1;', [fault('a', 2)]],
  ["export { a } from './a.ts';", '/* none either */\nexport const a = 1;', [fault('a', 2)]],
  ["export { a } from './a.ts';", '/** Of another. */\nconst b = 1;\nexport const a = b;', [fault('a', 3)]],
  ["export { a } from './a.ts';", '/** @returns one */\nexport const a = 1;', [fault('a', 2)]],
  ["export { a } from './a.ts';", '/**\n * One.\n *\n * @see b\n */\nexport const a = 1;', []],
  ["export { a } from './b.ts';", 'export const a = 1;', []],
  ["export { rowBytes } from './a.ts';", '/** Bytes of a row. */\nexport const rowBytes = 1;', [repeats]],
  [
    "export { rowBytes } from './a.ts';",
    '/** Bytes of a row in the head. */\nexport const rowBytes = 1;',
    [],
  ],
])('%s over %j', (index, text, faults) => {
  expect(faultsOf(index, text)).toEqual(faults);
});

test('names that no index offers may do without', () => {
  expect(faultsOf('export {};', 'export const a = 1;')).toEqual([]);
});

test('tools have no readers but their own', () => {
  expect(faultsOf("export { a } from './a.ts';", 'export const a = 1;', 'tools/sim')).toEqual([]);
});
