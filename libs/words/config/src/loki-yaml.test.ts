import { loadConfig } from './load-config.ts';

/** Loads `yaml` as the program would, and expects it to run. */
async function running(yaml: string) {
  const loaded = await load(yaml);
  if (loaded.kind !== 'run') throw new Error(`expected to run, got: ${loaded.stderr}`);
  return loaded;
}

async function refusal(yaml: string): Promise<string> {
  const loaded = await load(yaml);
  if (loaded.kind !== 'exit') throw new Error('expected a refusal');
  return loaded.stderr.trimEnd();
}

const load = (yaml: string) =>
  loadConfig({
    argv: ['-config.file=a'],
    env: () => undefined,
    readText: () => Promise.resolve(yaml),
    versionText: '',
  });

// Protects: a list that is there but empty means none, as Go decodes it, and not the default.
test.each([
  'discover_service_name:',
  'discover_service_name: ~',
  'discover_service_name: null',
  'discover_service_name: []',
])('limits_config %j is an empty list', async (line) => {
  const { config } = await running(`limits_config:\n  ${line}\n`);
  expect(config.limits.discoverServiceName).toEqual([]);
});

// Protects: a schema period may name a store of its own, of any backend that exists here.
describe('named stores', () => {
  const schemaOf = (store: string) =>
    `schema_config: {configs: [{from: 2024-01-01, store: tsdb, object_store: ${store}, schema: v13, index: {prefix: i_, period: 24h}}]}\n`;

  test.each([
    [
      'named_stores: {aws: {store-1: {endpoint: "minio:9000", bucketnames: b1, insecure: true, s3forcepathstyle: true}}}',
      { kind: 's3', bucket: 'b1', endpoint: 'minio', port: 9000, useTls: false, forcePathStyle: true },
    ],
    [
      'named_stores: {aws: {store-1: {s3: "s3://k:s@eu-west-1/b2"}}}',
      { kind: 's3', bucket: 'b2', region: 'eu-west-1' },
    ],
    [
      'named_stores: {filesystem: {store-1: {directory: /mnt/x}}}',
      { kind: 'filesystem', directory: '/mnt/x' },
    ],
    [
      'object_store: {named_stores: {s3: {store-1: {bucket_name: b3, endpoint: "s3.local", http: {insecure_skip_verify: true}}}}}',
      { kind: 's3', bucket: 'b3', endpoint: 's3.local', insecureSkipVerify: true },
    ],
  ])('%s', async (block, storage) => {
    const { config } = await running(`${schemaOf('store-1')}storage_config: {${block}}\n`);
    expect(config.storage).toMatchObject(storage);
  });

  test.each([
    ['named_stores: {gcs: {store-1: {bucket_name: b}}}', 'object store "gcs" is not supported'],
    [
      'named_stores: {aws: {store-1: {bucketname: b}}}',
      'field bucketname not found in type s3storageconfig.Config',
    ],
    ['named_stores: {aws: {store-1: {bucketnames: b, insecure: perhaps}}}', 'into bool'],
    ['named_stores: {aws: {store-2: {bucketnames: b}}}', 'object store "store-1" is not supported'],
    ['named_stores: {aws: {store-1: }}', 'bucketnames must be set'],
  ])('%s is refused', async (block, text) => {
    expect(await refusal(`${schemaOf('store-1')}storage_config: {${block}}\n`)).toContain(text);
  });
});

test('internal_server takes the keys of server, and no others', async () => {
  const yaml =
    'internal_server: {enable: true, http_listen_port: 3101, http_tls_config: {cert_file: a}, log_level: warn}';
  const { notices, config } = await running(yaml);
  expect(config.server.httpListenPort).toBe(3100);
  expect(notices.map((notice) => notice.message).join()).toContain('internal_server.http_listen_port');
  expect(await refusal('internal_server: {nope: 1}')).toContain('field nope not found');
});
