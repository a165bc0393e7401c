/** Protects the reading of permissions.yaml: the tested rights are those of the file. */
import fs from 'node:fs';
import path from 'node:path';
import { readPermissions, rightsOf, textOf, without } from './permissions.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const text = fs.readFileSync(path.join(root, 'deploy/kubesphere/loki/permissions.yaml'), 'utf8');

test('a block of a mode is read when it is asked for, and no other', () => {
  const resources = (blocks: ('sidecar' | 'operator')[]) =>
    readPermissions(text, blocks).clusterRole.flatMap((rule) => rule.resources);
  expect(resources([])).toEqual(['roles', 'rolebindings', 'secrets']);
  expect(resources(['sidecar'])).toEqual(['roles', 'rolebindings', 'secrets', 'configmaps', 'secrets']);
  expect(resources(['operator'])).toEqual([
    'roles',
    'rolebindings',
    'secrets',
    'grafanadatasources',
    'grafanadashboards',
  ]);
});

test('each right can be removed alone', () => {
  const permissions = readPermissions(text);
  const rights = rightsOf(permissions);
  expect(rights.length).toBeGreaterThan(10);
  for (const right of rights) {
    const rest = rightsOf(without(permissions, right)).map(textOf);
    expect(rest.toSorted()).toEqual(
      rights
        .filter((each) => each !== right)
        .map(textOf)
        .toSorted(),
    );
  }
});
