import type { Config } from './config.ts';
import { loadConfig } from './load-config.ts';

// Protects: compactors and rulers find each other where the operator says, and under the name that it gives.

async function configOf(yaml: string, ...argv: string[]): Promise<Config> {
  const loaded = await loadConfig({
    argv: ['-config.file=a', ...argv],
    env: () => undefined,
    readText: async () => yaml,
    versionText: '',
  });
  if (loaded.kind !== 'run') throw new Error(loaded.stderr);
  return loaded.config;
}

const common = `
common:
  ring:
    kvstore: {store: redis, prefix: here/, redis: {endpoint: 'redis:6379', db: 2}}
    instance_id: one
    instance_addr: 10.0.0.1
    instance_availability_zone: z1
    heartbeat_period: 7s
`;

test('a ring whose block is silent is that of common.ring', async () => {
  const { compactor, ruler } = await configOf(common);
  for (const { ring } of [compactor, ruler]) {
    expect(ring).toMatchObject({
      store: 'redis',
      prefix: 'here/',
      redis: { endpoint: 'redis:6379', db: 2 },
      instanceId: 'one',
      instanceAddr: '10.0.0.1',
      zone: 'z1',
      tokens: 128,
      heartbeatPeriodMs: 7_000,
      heartbeatTimeoutMs: 60_000,
    });
  }
});

test('where nobody sets a key the default is that of the component', async () => {
  const { compactor, ruler } = await configOf('auth_enabled: false');
  expect([compactor.ring.heartbeatPeriodMs, ruler.ring.heartbeatPeriodMs]).toEqual([15_000, 5_000]);
  expect([compactor.ring.store, ruler.ring.store]).toEqual(['memory', 'memory']);
});

test("a ring's own block wins over common.ring", async () => {
  const own = `
compactor:
  compactor_ring: {kvstore: {store: inmemory}, instance_id: c1, instance_port: 9999, heartbeat_timeout: 9s}
ruler:
  ring: {kvstore: {store: redis, prefix: rulers/, redis: {endpoint: 'other:1'}}, heartbeat_period: 1s, num_tokens: 3}
`;
  const { compactor, ruler, ring } = await configOf(common + own);
  expect(compactor.ring).toMatchObject({
    store: 'memory',
    instanceId: 'c1',
    instancePort: 9999,
    instanceAddr: '10.0.0.1',
    heartbeatTimeoutMs: 9_000,
  });
  expect(ruler.ring).toMatchObject({
    store: 'redis',
    prefix: 'rulers/',
    redis: { endpoint: 'other:1' },
    instanceId: 'one',
    tokens: 3,
    heartbeatPeriodMs: 1_000,
  });
  expect(ring).toMatchObject({ store: 'redis', instanceId: 'one', redis: { endpoint: 'redis:6379' } });
});

test('flags reach the rings of components', async () => {
  const { compactor } = await configOf(common, '-compactor.ring.instance-id=flagged');
  expect(compactor.ring.instanceId).toBe('flagged');
});

test.each([
  ['ruler: {evaluation: {mode: far}}', 'invalid ruler.evaluation.mode "far"'],
  ['ruler: {sharding_strategy: odd}', 'invalid ruler.sharding_strategy "odd"'],
  ['compactor: {compactor_ring: {kvstore: {store: redis}}}', 'kvstore.redis.endpoint must be set'],
  ['compactor: {compactor_ring: {kvstore: {store: postgres}}}', 'unknown kvstore "postgres"'],
])('%s is refused', async (yaml, text) => {
  await expect(configOf(yaml)).rejects.toThrow(text);
});
