/** Protects operators: files, flags and charts of other versions load with the same effect. */
import { read, running } from './test/load.ts';

describe('what people already have', () => {
  test('the file the corpus was recorded with loads as is', async () => {
    const yaml = read('conformance.yaml')
      .replaceAll('@DIR@', '/tmp/x')
      .replaceAll('@HTTP@', '4000')
      .replaceAll('@GRPC@', '4001')
      .replaceAll('@AM@', '4002');
    const { config, notices } = await running(['-config.file=a'], { a: yaml });
    expect(config).toMatchObject({
      authEnabled: true,
      server: { httpListenPort: 4000, httpListenAddress: '127.0.0.1', logLevel: 'warn' },
      storage: { kind: 'filesystem', directory: '/tmp/x/store' },
      ring: { store: 'memory', replicationFactor: 1, instanceAddr: '127.0.0.1' },
      querier: { multiTenantQueriesEnabled: true, queryIngestersWithinMs: 0 },
      runtimeConfig: { files: ['/tmp/x/overrides.yaml'], periodMs: 10_000 },
      ruler: {
        enableApi: true,
        pollIntervalMs: 5000,
        storage: { kind: 'filesystem', directory: '/tmp/x/rules' },
      },
      patternIngester: { enabled: true },
      limits: {
        ingestionRateBytes: 64 << 20,
        ingestionBurstBytes: 64 << 20,
        perStreamRateLimitBytes: 64 << 20,
        retentionPeriodMs: 744 * 3_600_000,
        maxQueryParallelism: 8,
      },
    });
    expect(notices.filter((notice) => notice.level === 'warn')).toEqual([]);
  });

  test('a file of chart 6.x loads, with a notice for each key of the past', async () => {
    const { config, notices } = await running(['-config.file=a'], { a: read('chart-6.yaml') });
    expect(config.storage).toMatchObject({
      kind: 's3',
      endpoint: 'minio.logging.svc',
      port: 9000,
      useTls: false,
      bucket: 'loki-chunks',
      forcePathStyle: true,
      accessKeyId: 'AKIAEXAMPLE',
    });
    expect(config.ruler.storage).toMatchObject({ kind: 's3', bucket: 'loki-ruler' });
    expect(config.limits.queryTimeoutMs).toBe(300_000);
    expect(config.ruler.remoteWriteClients).toEqual({
      default: { url: 'http://prometheus.monitoring.svc:9090/api/v1/write' },
    });
    const texts = notices.map((notice) => notice.message);
    expect(texts).toContainEqual(
      expect.stringMatching(/storage_config\.boltdb_shipper is a key of an older version/),
    );
    expect(texts).toContainEqual(expect.stringMatching(/table_manager is a key of an older version/));
    expect(texts.filter((text) => text.startsWith('accepted, no effect: '))).toHaveLength(1);
  });

  test('the KubeSphere extension’s file loads for each of its three targets', async () => {
    for (const target of ['read', 'write', 'backend']) {
      const { config } = await running(['-config.file=a', `-target=${target}`], {
        a: read('kubesphere.yaml'),
      });
      expect(config.storage).toMatchObject({
        kind: 's3',
        bucket: 'whizard-loki-chunks',
        endpoint: 'loki-minio.loki.svc',
      });
      expect(config.limits.retentionPeriodMs).toBe(168 * 3_600_000);
    }
  });

  test('old keys with a new home still have their effect', async () => {
    const { config } = await running(['-config.file=a'], {
      a: [
        'compactor: {shared_store: s3, retention_enabled: true}',
        'querier: {query_timeout: 7m}',
        'limits_config: {per_tenant_override_config: /o.yaml, per_tenant_override_period: 3s}',
      ].join('\n'),
    });
    expect(config.compactor.deleteRequestStore).toBe('s3');
    expect(config.limits.queryTimeoutMs).toBe(420_000);
    expect(config.runtimeConfig).toEqual({ files: ['/o.yaml'], periodMs: 3000 });
  });

  test('an s3 URL gives keys, endpoint and bucket', async () => {
    const { config } = await running(['-config.file=a'], {
      a: 'common: {storage: {s3: {s3: "s3://key:sec%2Fret@minio:9000/logs", insecure: true}}}',
    });
    expect(config.storage).toMatchObject({
      kind: 's3',
      accessKeyId: 'key',
      secretAccessKey: 'sec/ret',
      endpoint: 'minio',
      port: 9000,
      bucket: 'logs',
      useTls: false,
    });
  });
});
