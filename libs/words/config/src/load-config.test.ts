import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from './load-config.ts';
import type { LoadedConfig } from './load-config.ts';
import { renderConfig } from './render.ts';

const testdata = join(__dirname, '..', 'testdata');
const read = (name: string) => readFileSync(join(testdata, name), 'utf8');

/** Loads as the program would, from files held in memory. */
async function load(
  argv: readonly string[],
  files: Record<string, string> = {},
  env: Record<string, string> = {},
): Promise<LoadedConfig> {
  return loadConfig({
    argv,
    env: (name) => env[name],
    readText: (path) => Promise.resolve(files[path]),
    versionText: 'loki, version test',
  });
}

async function running(
  argv: readonly string[],
  files: Record<string, string> = {},
  env: Record<string, string> = {},
) {
  const loaded = await load(argv, files, env);
  if (loaded.kind !== 'run') throw new Error(`expected to run, got: ${loaded.stderr}`);
  return loaded;
}

async function refusal(yaml: string, argv: readonly string[] = []): Promise<string> {
  const loaded = await load(['-config.file=a.yaml', ...argv], { 'a.yaml': yaml });
  if (loaded.kind !== 'exit') throw new Error('expected a refusal');
  expect(loaded.code).toBe(1);
  return loaded.stderr.trimEnd();
}

describe('starting', () => {
  test('without any file there are sound defaults for one process', async () => {
    const { config, notices } = await running([]);
    expect(config).toMatchObject({
      authEnabled: false,
      noAuthTenant: 'fake',
      target: ['all'],
      storage: { kind: 'filesystem', directory: './data/chunks' },
      ring: { store: 'memory', replicationFactor: 1 },
      compactor: { retentionEnabled: true },
    });
    expect(config.server.httpListenPort).toBe(3100);
    expect(config.limits.retentionPeriodMs).toBe(7 * 86_400_000);
    expect(config.writeLog).toMatchObject({ kind: 'embedded', directory: './data/write-log', fsync: true });
    expect(notices).toEqual([]);
  });

  test('the admin port is another one than that of clients', async () => {
    expect(await refusal('server: {http_listen_port: 3100, admin_listen_port: 3100}')).toMatch(
      /admin_listen_port must differ/,
    );
    const { config } = await running(['-server.admin-listen-port=3101']);
    expect(config.server.adminListenPort).toBe(3101);
  });

  test('the lowest version of TLS is for both ports, by Go’s name', async () => {
    const { config } = await running(['-config.file=a'], { a: 'server: {tls_min_version: VersionTLS13}' });
    expect([config.server.httpTls.minVersion, config.server.grpcTls.minVersion]).toEqual([
      'TLSv1.3',
      'TLSv1.3',
    ]);
    expect((await running([])).config.server.httpTls).not.toHaveProperty('minVersion');
    expect(await refusal('server: {tls_min_version: TLS1.3}')).toContain('unknown TLS version "TLS1.3"');
  });

  test('the token of gRPC is masked where the configuration is shown', async () => {
    const { config, settings } = await running(['-server.grpc-auth-token=secret-one']);
    expect(config.server.grpcAuthToken).toBe('secret-one');
    expect(renderConfig(settings)).not.toContain('secret-one');
  });

  test('flags win over the file, and the file over defaults', async () => {
    const { config } = await running(
      [
        '-config.file',
        'a.yaml',
        '--server.http-listen-port=4100',
        '-querier.query-timeout',
        '2m',
        '-auth.enabled=false',
      ],
      { 'a.yaml': 'auth_enabled: true\nserver: {http_listen_port: 1, grpc_listen_port: 2}\n' },
    );
    expect(config.server).toMatchObject({ httpListenPort: 4100, grpcListenPort: 2, logLevel: 'info' });
    expect(config.authEnabled).toBe(false);
    expect(config.limits.queryTimeoutMs).toBe(120_000);
  });

  test('the first file of the list that exists is read', async () => {
    const { file, config } = await running(['-config.file=no.yaml,b.yaml,c.yaml'], {
      'b.yaml': 'no_auth_tenant: b',
      'c.yaml': 'no_auth_tenant: c',
    });
    expect(file).toBe('b.yaml');
    expect(config.noAuthTenant).toBe('b');
  });

  test('a named file that does not exist is refused in Loki’s words', async () => {
    const loaded = await load(['-config.file=no.yaml']);
    expect(loaded).toMatchObject({
      code: 1,
      stderr: 'no.yaml does not exist, set config.file for custom config path\n',
    });
  });

  test('a boolean flag needs no value, a list flag adds up', async () => {
    const { config } = await running([
      '-querier.multi-tenant-queries-enabled',
      '-validation.discover-service-name=a,b',
      '-validation.discover-service-name=c',
    ]);
    expect(config.querier.multiTenantQueriesEnabled).toBe(true);
    expect(config.limits.discoverServiceName).toEqual(['a', 'b', 'c']);
  });

  test.each([
    [['-nope'], 'flag provided but not defined: -nope'],
    [['-server.http-listen-port'], 'flag needs an argument: -server.http-listen-port'],
    [['positional'], 'unexpected argument: positional'],
  ])('command line %j is refused', async (argv, text) => {
    const loaded = await load(argv);
    expect(loaded).toMatchObject({ kind: 'exit', code: 2 });
    expect((loaded as { stderr: string }).stderr).toContain(text);
  });

  test('a flag with an unreadable value is refused', async () => {
    const loaded = await load(['-server.http-listen-port=x']);
    expect((loaded as { stderr: string }).stderr).toContain(
      'invalid value "x" for flag -server.http-listen-port',
    );
  });

  test('help, version and targets print and exit', async () => {
    expect(await load(['-version'])).toMatchObject({ code: 0, stdout: 'loki, version test\n' });
    expect((await load(['-help'])) as { stdout: string }).toMatchObject({
      stdout: expect.stringMatching(/-server\.http-listen-port int[^]*-write-log\.fsync bool\n.*power cut/),
    });
    expect((await load(['-list-targets'])) as { stdout: string }).toMatchObject({
      stdout: expect.stringContaining('querier\n'),
    });
  });

  test('verify-config checks without running', async () => {
    expect(await load(['-verify-config'])).toMatchObject({
      kind: 'exit',
      code: 0,
      stdout: 'config is valid\n',
    });
    expect(await load(['-verify-config', '-config.file=a'], { a: 'x: 1' })).toMatchObject({ code: 1 });
  });

  test('verify-config prints the notices that a start would log', async () => {
    const loaded = await load(['-verify-config', '-config.file=a'], {
      a: 'limits_config: {max_line_sise: 1, cardinality_limit: 5}',
    });
    expect(loaded).toMatchObject({ code: 0, stdout: 'config is valid\n' });
    expect((loaded as { stderr: string }).stderr.trimEnd().split('\n')).toEqual([
      'level=warn msg="a: line 1: unknown limit limits_config.max_line_sise is ignored"',
      'level=info msg="accepted, no effect: limits_config.cardinality_limit (use limits_config.max_query_memory)"',
    ]);
  });

  test.each([
    ['write', ['distributor', 'ingester']],
    ['read', ['query-frontend', 'querier']],
    ['distributor,compactor', ['distributor', 'compactor']],
  ])('target %s runs %j', async (target, components) => {
    const { config } = await running([`-target=${target}`]);
    expect([...config.components]).toEqual(components);
  });

  test('flags that charts and manifests of older versions give are taken', async () => {
    const { config, settings } = await running([
      '-target=read',
      '-legacy-read-mode=false',
      '-limits.per-user-override-config=/etc/o.yaml',
      '-mem-ballast-size-bytes=1024',
      '-memberlist.join=a:7946',
      '-memberlist.join=b:7946',
    ]);
    expect(config.runtimeConfig.files).toEqual(['/etc/o.yaml']);
    expect(settings.peek('ballast_bytes')).toBe(1024);
    expect(settings.peek('memberlist.join_members')).toEqual(['a:7946', 'b:7946']);
    expect(await load(['-legacy-read-mode=perhaps'])).toMatchObject({ code: 2 });
  });

  test('an unknown target is refused in Loki’s words', async () => {
    expect((await load(['-target=nope'])) as { stderr: string }).toMatchObject({
      stderr: 'error running loki: unrecognised module name: nope\n',
    });
  });
});

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

describe('refusals name file, line and key', () => {
  test('an unknown key', async () => {
    expect(await refusal('auth_enabled: true\nserver:\n  http_port: 1\n')).toBe(
      'failed parsing config: a.yaml: yaml: construct errors: line 3: field http_port not found in type server.Config',
    );
    expect(await refusal('nope: 1')).toBe(
      'failed parsing config: a.yaml: yaml: construct errors: line 1: field nope not found in type loki.ConfigWrapper',
    );
  });

  test('all unknown keys at once, also inside lists', async () => {
    const text = await refusal(
      'a: 1\nschema_config:\n  configs:\n    - from: 2024-01-01\n      stor: tsdb\nb: 2\n',
    );
    expect(text).toContain('line 1: field a');
    expect(text).toContain('line 5: field stor not found in type periodconfig.Config');
    expect(text).toContain('line 6: field b');
  });

  test.each([
    [
      'server: {http_listen_port: abc}',
      'line 1: server.http_listen_port: cannot unmarshal !!str `abc` into int',
    ],
    ['auth_enabled: maybe', 'cannot unmarshal !!str `maybe` into bool'],
    ['limits_config: {query_timeout: 5 parsecs}', 'not a valid duration string: "5 parsecs"'],
    ['ingester: {chunk_idle_period: 5x}', 'time: invalid duration "5x"'],
    ['server: 5', 'cannot unmarshal !!str `5` into server.Config'],
    ['server:\n  - 1', 'cannot unmarshal !!seq into server.Config'],
    ['a: [', 'yaml: line 1:'],
    ['target: all\ntarget: all', 'yaml: line 2:'],
    ['no_auth_tenant: ****', 'yaml:'],
  ])('%j', async (yaml, text) => {
    expect(await refusal(yaml)).toContain(text);
  });

  test.each([
    [
      'compactor: {retention_enabled: true}',
      'compactor.delete-request-store should be configured when retention is enabled',
    ],
    ['limits_config: {retention_period: 1h}', 'retention period must be >= 24h'],
    ['limits_config: {deletion_mode: maybe}', '"maybe" is none of disabled, filter-only, filter-and-delete'],
    [
      'limits_config: {allow_structured_metadata: false}\nschema_config: {configs: [{store: boltdb-shipper}]}',
      'store "boltdb-shipper" is not supported',
    ],
    [
      'schema_config: {configs: [{store: boltdb-shipper, schema: v13}]}',
      'CONFIG ERROR: `tsdb` index type is required to store Structured Metadata',
    ],
    [
      'schema_config: {configs: [{store: boltdb-shipper, schema: v11}]}',
      'MULTIPLE CONFIG ERRORS FOUND, PLEASE READ CAREFULLY\nCONFIG ERROR: schema v13 is required',
    ],
    [
      'schema_config: {configs: [{store: tsdb, index: {period: 168h}}]}',
      'CONFIG ERROR: invalid schema config: validating period_config: tsdb must always have periodic config for index set to 24h',
    ],
    [
      'schema_config: {configs: [{store: tsdb, schema: v12}]}',
      'schema v13 is required to store Structured Metadata',
    ],
    ['schema_config: {configs: [{object_store: gcs}]}', 'object store "gcs" is not supported'],
    ['server: {log_level: loud}', 'unrecognized log level "loud"'],
    ['schema_config: {configs: [{object_store: s3}]}', 'common.storage.s3.bucketnames must be set'],
  ])('%j cannot run', async (yaml, text) => {
    expect(await refusal(yaml)).toContain(text);
  });
});

test('an unknown limit is a warning that names key and line, not a refusal', async () => {
  const { notices } = await running(['-config.file=a'], { a: 'limits_config:\n  max_line_sise: 1KB\n' });
  expect(notices).toEqual([
    { level: 'warn', message: 'a: line 2: unknown limit limits_config.max_line_sise is ignored' },
  ]);
});

test('environment variables are expanded before YAML is read, only when asked', async () => {
  const files = { a: 'no_auth_tenant: ${TENANT:-nobody}\n' };
  const env = { TENANT: 'me' };
  expect((await running(['-config.file=a', '-config.expand-env=true'], files, env)).config.noAuthTenant).toBe(
    'me',
  );
  expect((await running(['-config.file=a', '-config.expand-env=true'], files)).config.noAuthTenant).toBe(
    'nobody',
  );
  expect((await running(['-config.file=a'], files, env)).config.noAuthTenant).toBe('${TENANT:-nobody}');
});

test('anchors and merge keys work, an alias bomb does not', async () => {
  const merged = [
    'common: {storage: {s3: &s3 {bucketnames: chunks, endpoint: minio:9000, insecure: true}}}',
    'ruler: {storage: {type: s3, s3: {<<: *s3, bucketnames: rules}}}',
  ].join('\n');
  const { config } = await running(['-config.file=a'], { a: merged });
  expect(config.ruler.storage).toMatchObject({ bucket: 'rules', endpoint: 'minio', port: 9000 });
  let bomb = 'ruler:\n  external_labels:\n    a: &a [x,x,x,x,x,x,x,x,x,x]\n';
  for (let i = 0; i < 8; i++) {
    const previous = String.fromCharCode(97 + i);
    bomb += `    ${String.fromCharCode(98 + i)}: &${String.fromCharCode(98 + i)} [${Array(10).fill(`*${previous}`).join(',')}]\n`;
  }
  const loaded = await load(['-config.file=a'], { a: bomb });
  expect(loaded).toMatchObject({
    kind: 'exit',
    code: 1,
    stderr: expect.stringContaining('Excessive alias count'),
  });
});

test('what query_range says of shard_aggregations holds for every tenant beside its own', async () => {
  const { config } = await running(
    ['-config.file=a', '-querier.shard-aggregations=approx_topk, last_over_time'],
    {
      a: 'limits_config: {shard_aggregations: [quantile_over_time], max_query_memory: 64MB}',
    },
  );
  expect(config.limits.shardAggregations).toEqual(['approx_topk', 'last_over_time', 'quantile_over_time']);
  expect(config.limits.maxQueryMemoryBytes).toBe(64 * 2 ** 20);
});

test('kinds of answers are kept where query_range says, in the cache of range queries unless they have their own', async () => {
  const yaml = [
    'query_range:',
    '  cache_results: true',
    '  cache_volume_results: false',
    '  results_cache: {cache: {embedded_cache: {max_size_mb: 7, ttl: 5m}}}',
    '  label_results_cache: {cache: {redis: {endpoint: "r:6379", expiration: 2h, timeout: 50ms}}}',
  ].join('\n');
  const { config } = await running(['-config.file=a'], { a: yaml });
  const { caches } = config.queryRange;
  expect([...caches.keys()]).toEqual(['results', 'labels', 'series', 'stats']);
  expect(caches.get('results')).toEqual({
    bytesMax: 7 * 2 ** 20,
    itemsMax: 0,
    ttlMs: 300_000,
    writing: { parallelism: 1, itemsMax: 500_000, bytesMax: 500 * 2 ** 20 },
  });
  expect(caches.get('series')).toBe(caches.get('results'));
  expect(caches.get('labels')).toMatchObject({
    ttlMs: 7_200_000,
    redis: { endpoint: 'r:6379', timeoutMs: 50 },
  });
});

test('a cache on memcached servers is as charts write it', async () => {
  const yaml = [
    'query_range:',
    '  cache_results: true',
    '  results_cache:',
    '    cache:',
    '      default_validity: 12h',
    '      background: {writeback_goroutines: 2, writeback_buffer: 500, writeback_size_limit: 1MB}',
    '      memcached: {batch_size: 8, parallelism: 3}',
    '      memcached_client:',
    '        addresses: dnssrvnoa+_memcached-client._tcp.loki-results-cache.loki.svc, cache:11311',
    '        host: more.loki.svc',
    '        consistent_hash: true',
    '        timeout: 500ms',
    '        max_idle_conns: 32',
    '        max_item_size: 1048576',
    '        tls_enabled: true',
    '        tls_ca_path: /ca.pem',
  ].join('\n');
  const { config } = await running(['-config.file=a'], { a: yaml });
  expect(config.queryRange.caches.get('results')).toMatchObject({
    ttlMs: 43_200_000,
    writing: { parallelism: 2, itemsMax: 500, bytesMax: 2 ** 20 },
    memcached: {
      addresses: [
        'dnssrvnoa+_memcached-client._tcp.loki-results-cache.loki.svc',
        'cache:11311',
        'dnssrv+_memcached._tcp.more.loki.svc',
      ],
      lookupMs: 60_000,
      timeoutMs: 500,
      connectionsMax: 32,
      itemBytesMax: 1_048_576,
      batchSize: 8,
      parallelism: 3,
      breaker: { failures: 10, openMs: 10_000, intervalMs: 10_000 },
      tls: { enabled: true, caFile: '/ca.pem' },
    },
  });
  const both = `${yaml}\n      redis: {endpoint: "r:6379"}`;
  const { stderr } = (await load(['-config.file=a'], { a: both })) as { stderr: string };
  expect(stderr).toContain('query_range.results_cache.cache: memcached_client and redis are both set');
});

test('a querier reads heads and store unless it is told to read one of them', async () => {
  const reads = async (yaml: string) => (await running(['-config.file=a'], { a: yaml })).config.querier.reads;
  expect(await reads('{}')).toBeUndefined();
  expect(await reads('querier: {query_store_only: true}')).toBe('store');
  expect(await reads('querier: {query_ingester_only: true}')).toBe('heads');
  expect(await refusal('querier: {query_store_only: true, query_ingester_only: true}')).toBe(
    'querier.query_store_only and querier.query_ingester_only cannot both be set',
  );
});

test('the bound of the queue is the frontend’s, or the scheduler’s where that alone is set', async () => {
  const bound = async (yaml: string) =>
    (await running(['-config.file=a'], { a: yaml })).config.frontend.maxOutstandingPerTenant;
  expect(await bound('{}')).toBe(2048);
  expect(await bound('query_scheduler: {max_outstanding_requests_per_tenant: 7}')).toBe(7);
  expect(await bound('frontend: {max_outstanding_per_tenant: 8}')).toBe(8);
  expect(
    await bound(
      '{frontend: {max_outstanding_per_tenant: 8}, query_scheduler: {max_outstanding_requests_per_tenant: 7}}',
    ),
  ).toBe(8);
});

test('the frontend tells of slow queries as it is asked to, all of them where the bound is negative', async () => {
  const frontend = async (yaml: string) => (await running(['-config.file=a'], { a: yaml })).config.frontend;
  expect(
    await frontend(
      'frontend: {log_queries_longer_than: -1s, query_stats_enabled: true, log_query_request_headers: "X-A, X-B"}',
    ),
  ).toMatchObject({
    logQueriesLongerThanMs: -1000,
    queryStatsEnabled: true,
    logQueryRequestHeaders: ['X-A', 'X-B'],
  });
  expect(await frontend('frontend: {log_queries_longer_than: 1m30s}')).toMatchObject({
    logQueriesLongerThanMs: 90_000,
    queryStatsEnabled: false,
    logQueryRequestHeaders: [],
  });
});
