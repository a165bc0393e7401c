/**
 * Protects the way in from Loki's chart: what each of its modes means here, and that nothing is dropped
 * silently.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { run } from './run.ts';

async function convert(text: string) {
  let [out, err] = ['', ''];
  const code = await run(['chart', 'convert', 'values.yaml'], {
    out: (part) => (out += part),
    err: (part) => (err += part),
    pause: () => Promise.resolve(),
    env: () => undefined,
    readFile: async () => Buffer.from(text),
  });
  return {
    code,
    values: YAML.parse(out || '{}') as Record<string, unknown>,
    notes: err.split('\n').filter((line) => line !== ''),
  };
}

const sample = (mode: string) =>
  readFileSync(path.join(__dirname, '../testdata/chart', `${mode}.yaml`), 'utf8');

test('read, write and backend become the components that do their work', async () => {
  const { code, values, notes } = await convert(sample('simple-scalable'));
  expect(code).toBe(0);
  expect(values).toMatchObject({
    gateway: { replicas: 4, service: { type: 'NodePort', nodePort: 31000 } },
    querier: { replicas: 4, resources: { limits: { memory: '2Gi' } } },
    distributor: { replicas: 3 },
    ingester: { replicas: 3, persistence: { size: '10Gi' } },
    compactor: { replicas: 3 },
    storage: { bucket: 'c', endpoint: 'x:9000', insecure: true, accessKeyId: 'a', secretAccessKey: 'b' },
    loki: { config: { limits_config: { retention_period: '72h' }, server: { log_level: 'debug' } } },
  });
  expect(values).not.toHaveProperty('mode');
  expect(values).not.toHaveProperty('single');
  expect(values).not.toHaveProperty('distributor.persistence');
  expect(notes).toEqual([
    'no effect: loki.server.http_listen_port: pods listen on 3100',
    expect.stringMatching(/^no effect: gateway\.basicAuth\.enabled: the gateway does not check passwords/),
    expect.stringMatching(/^no effect: chunksCache\.enabled, chunksCache\.allocatedMemory: /),
    expect.stringMatching(/^loki\.config: accepted, no effect: .*chunk_encoding/),
  ]);
});

test('a single binary stays one process with its volume', async () => {
  const { values, notes } = await convert(sample('single-binary'));
  expect(values).toMatchObject({
    mode: 'single',
    storage: { type: 'filesystem' },
    single: {
      replicas: 1,
      persistence: { size: '20Gi', storageClass: 'fast' },
      serviceAnnotations: { a: 'b' },
    },
    ingress: { enabled: true, hosts: ['loki.example.com'] },
    loki: { config: { auth_enabled: false, common: { replication_factor: 1 } } },
  });
  expect(Object.keys(values)).not.toContain('ingester');
  expect(notes.join('\n')).toMatch(/common\.path_prefix: pods have their files/);
});

test('components keep their values, and those that are not here are named', async () => {
  const { values, notes } = await convert(sample('distributed'));
  expect(values).toMatchObject({
    global: { imageRegistry: 'mirror.example.com', imagePullSecrets: [{ name: 'pull' }] },
    defaults: { priorityClassName: 'high' },
    ingester: { replicas: 6, pdb: { maxUnavailable: 2 }, persistence: { enabled: true, size: '30Gi' } },
    distributor: {
      autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 9, targetCPUUtilizationPercentage: 70 },
    },
    querier: { replicas: 6, extraArgs: ['-log.level=debug'] },
    gateway: { replicas: 2, resources: { limits: { memory: '2Gi' } } },
    ruler: { replicas: 2 },
    overrides: { 'tenant-a': { ingestion_rate_mb: 20 } },
    loki: {
      config: { querier: { max_concurrent: 8 }, ruler: { alertmanager_url: 'http://alertmanager:9093' } },
    },
    monitoring: { serviceMonitor: { enabled: true, labels: { release: 'prometheus' } } },
  });
  const text = notes.join('\n');
  for (const key of [
    'queryScheduler.replicas',
    'indexGateway.replicas',
    'loki.tenants',
    'zoneAwareReplication',
  ]) {
    expect(text).toContain(key);
  }
});

test('the URL of a bucket becomes its parts, and credentials in variables stay variables', async () => {
  const storage = (s3: string) => `loki: {storage: {type: s3, s3: ${s3}}}`;
  const url = await convert(storage('{s3: "s3://key:se%2Fcret@minio.svc:9000/logs", insecure: true}'));
  expect(url.values).toMatchObject({
    storage: {
      endpoint: 'minio.svc:9000',
      bucket: 'logs',
      insecure: true,
      accessKeyId: 'key',
      secretAccessKey: 'se/cret',
    },
  });
  const region = await convert(storage('{s3: "s3://eu-west-1/logs"}'));
  expect(region.values['storage']).toEqual({ region: 'eu-west-1', bucket: 'logs' });
  for (const s3 of [
    '{region: eu, accessKeyId: "${KEY}", secretAccessKey: "${SECRET}"}',
    '{s3: "s3://${KEY}:${SECRET}@eu"}',
  ]) {
    const { values, notes } = await convert(storage(s3));
    expect(values).toMatchObject({
      storage: { region: 'eu' },
      loki: {
        config: { common: { storage: { s3: { access_key_id: '${KEY}', secret_access_key: '${SECRET}' } } } },
      },
    });
    expect(notes).toEqual([]);
  }
});

test.each([
  ['deploymentMode: Distributed\nloki: {storage: {type: gcs}}', 'loki.storage.type gcs'],
  ['loki: {storage: {type: filesystem}}', 'filesystem is for deploymentMode SingleBinary'],
])('%j is refused in words', async (text, words) => {
  const { code, notes } = await convert(text);
  expect([code, notes.join()]).toEqual([1, expect.stringContaining(words)]);
});
