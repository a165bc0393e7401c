/**
 * Protects package.json: nx and npm read the tree from these files, so they must match it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { checkTree } from './check-tree.ts';
import { packagePathOf } from './test/tree.ts';
import { packageOf, sourceFile } from './tree.ts';
import type { Tree } from './tree.ts';

type PackageJson = Parameters<typeof packageOf>[1];

const nx = { name: 'engine', projectType: 'library', tags: ['layer:engine'], targets: { lint: {} } };

function faultsOf(files: Record<string, string>, packages: Record<string, PackageJson>): string[] {
  const tree: Tree = {
    files: Object.entries(files).map(([file, text]) => sourceFile(file, packagePathOf(file), text)),
    packages: new Map(Object.entries(packages).map(([place, json]) => [place, packageOf(place, json)])),
    pages: [],
    rootDevDependencies: new Set(),
  };
  return checkTree(tree).map((fault) => `${fault.path}: ${fault.text}`);
}

const product = "// A product.\nimport { a } from 'ws';\n";

test.each<[string, Record<string, string>, PackageJson, string]>([
  [
    'an unused dependency',
    {},
    { dependencies: { ws: '1', yaml: '1' } },
    'declares yaml and never imports it',
  ],
  [
    'an unused dependency of tests',
    {},
    { dependencies: { ws: '1' }, devDependencies: { yaml: '1' } },
    'declares yaml for tests and no test imports it',
  ],
  [
    'a shipped dependency of tests',
    { 'libs/engines/engine/src/test/a.ts': "// A helper.\nimport { b } from 'yaml';\n" },
    { dependencies: { ws: '1', yaml: '1' } },
    'yaml is imported by tests alone: declare it in devDependencies',
  ],
  [
    'a production package without a listed work',
    { 'libs/engines/engine/src/b.ts': "// Another.\nimport { b } from 'left-pad';\n" },
    { dependencies: { ws: '1', 'left-pad': '1' } },
    'left-pad is no production package: tools/tidy/src/production-packages.ts lists those',
  ],
])('%s is a fault', (_title, files, json, text) => {
  expect(
    faultsOf(
      { 'libs/engines/engine/src/a.ts': product, ...files },
      { 'libs/engines/engine': { ...json, nx } },
    ),
  ).toEqual([`libs/engines/engine/package.json: ${text}`]);
});

test.each([
  [{ ...nx, name: 'motor' }, 'nx: name is motor, the folder says engine'],
  [{ ...nx, projectType: 'application' }, 'nx: projectType is application, the folder says library'],
  [{ ...nx, tags: ['layer:role'] }, 'nx: tags is layer:role, the folder says layer:engine'],
  [{ ...nx, targets: {} }, 'nx: target lint is missing'],
  [{ ...nx, targets: { lint: {}, test: {} } }, 'nx: target test is without a use'],
])('%j is a fault', (block, text) => {
  const files = { 'libs/engines/engine/src/a.ts': product };
  expect(faultsOf(files, { 'libs/engines/engine': { dependencies: { ws: '1' }, nx: block } })).toEqual([
    `libs/engines/engine/package.json: ${text}`,
  ]);
});

test('tests of the running product are no part of `nx affected -t test`', () => {
  const files = { 'apps/loki-e2e/src/a.test.ts': "test('a', () => {});\n" };
  const project = { name: 'app-loki-e2e', projectType: 'application', tags: ['layer:app'] };
  const block = { ...project, targets: { lint: {}, test: {} } };
  expect(faultsOf(files, { 'apps/loki-e2e': { nx: block } })).toEqual([
    'apps/loki-e2e/package.json: nx: target test is without a use',
    'apps/loki-e2e/package.json: nx: target e2e is missing',
  ]);
});

test('a library without a layer is a fault', () => {
  expect(faultsOf({}, { 'libs/newcomer/newcomer': { name: '@loki/newcomer' } })).toEqual([
    'libs/newcomer/newcomer/package.json: a library outside of the layers: its folder has to be one of tools/tidy/src/layers.ts',
  ]);
});

test('a break in a package that only tests import reaches the projects that import it', () => {
  const root = path.resolve(__dirname, '../../..');
  const nxCommand = realpathSync(path.join(root, 'node_modules/.bin/nx'));
  const output = execFileSync(
    process.execPath,
    [
      nxCommand,
      'show',
      'projects',
      '--affected',
      '--files=libs/adapters/ring-store/src/memory-ring-store.ts',
      '--json',
    ],
    { cwd: root, encoding: 'utf8', env: { ...process.env, NX_DAEMON: 'false' } },
  );
  const affected = JSON.parse(output) as string[];
  expect(affected).toEqual(
    expect.arrayContaining(['ring-store', 'ring', 'ruler', 'process', 'app-loki', 'app-loki-e2e']),
  );
  expect(affected).not.toContain('bytes');

  // The cache of a test is keyed by the sources of the same projects.
  const nxJson = JSON.parse(readFileSync(path.join(root, 'nx.json'), 'utf8')) as {
    targetDefaults: { test: { inputs: string[] } };
  };
  expect(nxJson.targetDefaults.test.inputs).toEqual(expect.arrayContaining(['default', '^default']));
});
