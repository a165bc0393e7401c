/** Protects the start: sources of the configuration, their order, and refusals. */
import { renderConfig } from './render.ts';
import { load, refusal, running } from './test/load.ts';

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
    const { source, config } = await running(['-config.file=no.yaml,b.yaml,c.yaml'], {
      'b.yaml': 'no_auth_tenant: b',
      'c.yaml': 'no_auth_tenant: c',
    });
    expect(source.file).toBe('b.yaml');
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
    const { stdout: help } = (await load(['-help'])) as { stdout: string };
    expect(help).toMatch(/-azure\.account-name string\n.*: no effect\n/);
    expect(help).toMatch(
      /-compactor\.working-directory string\n.*: no effect: compaction keeps nothing on disk/,
    );
    expect(help).toMatch(/-server\.http-listen-port int\n\s+server\.http_listen_port \(default 3100\)\n/);
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

  test('a key that another key takes the place of names that key, and groups do not run together', async () => {
    const loaded = await load(['-verify-config', '-config.file=a'], {
      a: `
common: {storage: {filesystem: {chunks_directory: /c, rules_directory: /r}}}
ruler: {storage: {type: local, local: {directory: /l}}}
compactor: {working_directory: /w}
`,
    });
    expect((loaded as { stderr: string }).stderr).toContain(
      'accepted, no effect: common.storage.filesystem.rules_directory (ruler.storage.local.directory is set); compactor.working_directory (compaction keeps nothing on disk)',
    );
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

describe('refusals name file, line and key', () => {
  test('an unknown key is refused', async () => {
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
    [
      'schema_config: {configs: [{store: tsdb, schema: v99, from: 2024-01-01}]}',
      'CONFIG ERROR: invalid schema config: validating period_config: invalid schema version "v99"',
    ],
    [
      'schema_config: {configs: [{store: tsdb, schema: v14, from: 2024-01-01}, {store: tsdb, schema: v13, from: 2024-02-01}]}',
      'invalid schema version "v14" (from: 2024-01-01)',
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
