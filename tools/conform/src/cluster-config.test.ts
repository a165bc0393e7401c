/**
 * Protects the comparison with the recorded server: processes differ from it only in the keys that make them
 * several.
 */
import { loadConfig } from '@loki/config';
import type { Config } from '@loki/config';
import { memberConfig } from './cluster-config.ts';
import type { Way } from './ways.ts';

const recorded = `auth_enabled: true
server: {http_listen_port: 1, log_level: warn}
common:
  path_prefix: /one
  replication_factor: 1
  storage: {filesystem: {chunks_directory: /one/chunks, rules_directory: /one/rules}}
  ring: {kvstore: {store: inmemory}}
schema_config:
  configs: [{from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13}]
limits_config: {volume_enabled: true, max_query_parallelism: 8}
ruler: {enable_api: true, enable_sharding: false}
`;
const member = { app: 'querier', name: 'querier-2', zone: 'zone-b', httpPort: 11, grpcPort: 12 } as const;
const stop = () => Promise.resolve();
const services = { kafka: 'k1:1,k2:1', redis: 'r:1', stop };

async function configOf(s3?: object, way: Way = { isCached: true, isCut: false }): Promise<Config> {
  const place = {
    directory: '/all',
    services: { ...services, ...(s3 ? { s3 } : {}) } as never,
    runName: 'run',
    way,
  };
  const text = memberConfig(recorded, member, place);
  const loaded = await loadConfig({
    argv: ['-config.file=c'],
    env: () => undefined,
    readText: async () => text,
    versionText: '',
  });
  if (loaded.kind === 'exit') throw new Error(loaded.stderr);
  return loaded.config;
}

test('a process among others keeps what was recorded', async () => {
  const config = await configOf();
  expect(config).toMatchObject({
    authEnabled: true,
    dataDirectory: '/all/querier-2',
    server: { httpListenPort: 11, grpcListenPort: 12, logLevel: 'warn' },
    ring: { store: 'redis', prefix: 'run/', instanceId: 'querier-2', zone: 'zone-b', replicationFactor: 3 },
    writeLog: { kind: 'kafka', kafka: { topic: 'run', readerAddresses: ['k1:1', 'k2:1'] } },
    storage: { kind: 'filesystem', directory: '/one/chunks' },
    limits: { volumeEnabled: true },
    ruler: { enableApi: true, enableSharding: true },
  });
});

test('every kind of answer is kept in Redis', async () => {
  const { caches } = (await configOf()).queryRange;
  expect([...caches.keys()].sort()).toEqual(['instant', 'labels', 'results', 'series', 'stats', 'volume']);
  for (const cache of caches.values()) expect(cache.redis?.endpoint).toBe('r:1');
});

test('with a bucket objects are kept there, under the name of the run', async () => {
  const bucket = { endpoint: 'http://m:1', bucket: 'b', accessKeyId: 'k', secretAccessKey: 's' };
  expect((await configOf(bucket)).storage).toMatchObject({ kind: 's3', prefix: 'run', bucket: 'b' });
});

test('queries are cut by settings that leave the rest as it is', async () => {
  const plain = await configOf();
  const cut = await configOf(undefined, { isCached: true, isCut: true });
  const intervalMs = 13 * 60_000;
  const { limits, queryRange } = cut;
  expect(limits).toEqual({
    ...plain.limits,
    tsdbMaxBytesPerShard: 300,
    tsdbShardingStrategy: 'bounded',
    tsdbMaxQueryParallelism: 5,
    minShardingLookbackMs: 0,
    splitQueriesByIntervalMs: intervalMs,
    splitInstantMetricQueriesByIntervalMs: intervalMs,
    splitMetadataQueriesByIntervalMs: intervalMs,
    splitRecentMetadataQueriesByIntervalMs: intervalMs,
    shardAggregations: queryRange.shardAggregations,
  });
  expect(queryRange.alignQueriesWithStep).toBe(plain.queryRange.alignQueriesWithStep);
  expect(plain.limits).toMatchObject({ maxCacheFreshnessMs: 0, maxMetadataCacheFreshnessMs: 0 });
});
