/** Protects rules that come from files: all that is sound is read, and nothing is ever written. */
import { VirtualDisk, VirtualScheduler } from '@loki/virtual';
import { LocalRuleStore } from './local-rule-store.ts';
import { silentLogger, tenantA } from './test/world.ts';

const files = {
  'a/one.yaml': 'groups:\n- name: g\n  rules:\n  - record: r\n    expr: vector(1)\n- name: h\n  rules: []\n',
  'a/two.yaml': 'groups:\n- name: g\n  rules: []\n',
  'a/broken.yaml': 'groups: [',
  'a/twice.yaml': 'groups: [{name: g, rules: []}, {name: g, rules: []}]',
  'a/..data': 'groups: [{name: hidden, rules: []}]',
  '..hidden/x.yaml': 'groups: []',
  'fake/x.yaml': 'groups: []',
};

function store(): LocalRuleStore {
  const disk = new VirtualDisk(new VirtualScheduler(1).random.fork('disk'));
  for (const [path, text] of Object.entries(files)) disk.place(path, Buffer.from(text));
  return new LocalRuleStore(disk.client(), silentLogger);
}

test('directories are tenants, files are namespaces', async () => {
  expect(await store().tenants()).toEqual(['a', 'fake']);
  const { groups, isComplete } = await store().groups(tenantA);
  expect(groups.map(({ namespace, group }) => [namespace, group.name])).toEqual([
    ['one.yaml', 'g'],
    ['one.yaml', 'h'],
    ['two.yaml', 'g'],
  ]);
  expect(isComplete).toBe(false);
  expect((await store().groups(tenantA, 'one.yaml')).isComplete).toBe(true);
});

test('one group is found by its names', async () => {
  expect((await store().group(tenantA, 'one.yaml', 'g')).rules).toHaveLength(1);
  await expect(store().group(tenantA, 'one.yaml', 'x')).rejects.toThrow('group does not exist');
  expect(await store().names(tenantA)).toHaveLength(3);
});

test('the API refuses changes', async () => {
  await expect(store().put()).rejects.toThrow('local files');
  await expect(store().delete()).rejects.toThrow('local files');
});
