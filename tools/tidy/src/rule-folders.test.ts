/** Protects the walls inside large libraries: a file imports from its own folder and from those below it. */
import { checkFolders } from './rule-folders.ts';
import { sourceFile } from './tree.ts';

const engine = 'libs/engines/engine';

function faultsOf(files: Record<string, string>): string[] {
  return checkFolders({
    files: Object.entries(files).map(([path, text]) => sourceFile(`${engine}/src/${path}`, engine, text)),
    packages: new Map(),
    pages: [],
    rootDevDependencies: new Set(),
  }).map((fault) => `${fault.path.slice(engine.length + 5)}:${fault.line}: ${fault.text}`);
}

test('imports go down, sideways, and from the index to everything', () => {
  expect(
    faultsOf({
      'index.ts': "export { a } from './root/a.ts';\n",
      'root/a.ts': "import { b } from '../common/b.ts';\nimport { c } from './c.ts';\n",
      'common/b.test.ts': "import { a } from '../root/a.ts';\nimport { t } from '../test/t.ts';\n",
      'test/t.ts': "import { a } from '../root/a.ts';\n",
    }),
  ).toEqual([]);
});

test.each([
  [
    { 'common/b.ts': "// b\nimport { a } from '../root/a.ts';\n" },
    'common/b.ts:2: common stands below root: imports go down only',
  ],
  [
    { 'root/a.ts': "import { i } from '../index.ts';\n" },
    'root/a.ts:1: root stands below the files beside the folders: imports go down only',
  ],
  [{ 'root/a.ts': "import { t } from '../test/t.ts';\n" }, 'root/a.ts:1: ../test/t.ts is test code'],
  [
    { 'attic/a.ts': '' },
    'attic/a.ts:1: folder attic has no place: give it one in folderOrder of tools/tidy/src/layers.ts',
  ],
])('%j is a fault', (files, fault) => {
  expect(faultsOf(files)).toEqual([fault]);
});
