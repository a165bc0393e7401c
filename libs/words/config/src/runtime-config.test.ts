import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger, Timers } from '@loki/ports';
import { RuntimeConfig } from './runtime-config.ts';
import type { RuntimeConfigOptions } from './runtime-config.ts';

const logger = (lines: string[]): Logger => ({
  debug() {},
  info() {},
  warn: (message) => void lines.push(`warn ${message}`),
  error: (message, fields) => void lines.push(`error ${message} ${JSON.stringify(fields)}`),
  child: () => logger(lines),
});

/** Timers that fire when told to. */
class ManualTimers implements Timers {
  #pending: (() => void)[] = [];
  after(_delayMs: number, callback: () => void) {
    this.#pending.push(callback);
    return { cancel: () => void (this.#pending = this.#pending.filter((each) => each !== callback)) };
  }
  sleep(): Promise<void> {
    return Promise.resolve();
  }
  get size(): number {
    return this.#pending.length;
  }
  /** Fires all and lets what they started finish. */
  async fire(): Promise<void> {
    for (const callback of this.#pending.splice(0)) callback();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

function setUp(files: Record<string, string | undefined>, options: Partial<RuntimeConfigOptions> = {}) {
  const lines: string[] = [];
  const timers = new ManualTimers();
  const outcomes: boolean[] = [];
  const runtime = new RuntimeConfig({
    files: Object.keys(files),
    periodMs: 10_000,
    readText: (path) => Promise.resolve(files[path]),
    timers,
    logger: logger(lines),
    globalValues: new Map<string, unknown>([
      ['max_query_series', 77],
      ['required_labels', ['app']],
    ]),
    limitContext: { maxReturnedStreamErrors: 10, shardAggregations: ['approx_topk'] },
    onReload: ({ isSuccessful }) => outcomes.push(isSuccessful),
    ...options,
  });
  return { runtime, timers, lines, outcomes, files };
}

test('a tenant starts from the global limits and replaces lists whole', async () => {
  const { runtime } = setUp({
    'o.yaml': 'overrides:\n  a:\n    max_line_size: 1KB\n    required_labels: [x, y]\n  b: {}\n',
  });
  await runtime.start();
  expect(runtime.forTenant('a')).toMatchObject({
    maxLineSizeBytes: 1024,
    requiredLabels: ['x', 'y'],
    maxQuerySeries: 77,
    maxReturnedStreamErrors: 10,
    shardAggregations: ['approx_topk'],
  });
  expect(runtime.forTenant('b')).toMatchObject({ requiredLabels: ['app'], maxLineSizeBytes: 256 * 1024 });
  expect(runtime.forTenant('nobody')).toBe(runtime.global);
  expect(runtime.tenants).toEqual(['a', 'b']);
  expect(runtime.forTenant('__proto__')).toBe(runtime.global);
});

test('the overrides the corpus was recorded with load as they are', async () => {
  const text = readFileSync(join(__dirname, '..', 'testdata', 'conformance-overrides.yaml'), 'utf8');
  const { runtime, lines } = setUp({ 'o.yaml': text });
  await runtime.start();
  expect(runtime.forTenant('limit-rate').ingestionRateBytes).toBeCloseTo(1048.576);
  expect(runtime.forTenant('limit-sm').maxStructuredMetadataSizeBytes).toBe(64);
  expect(runtime.forTenant('limit-query').maxQueryLengthMs).toBe(7_200_000);
  expect(runtime.forTenant('limit-query').maxQueryBytesRead).toBe(100 * 1024 ** 3);
  expect(runtime.forTenant('no-discover').discoverServiceName).toEqual([]);
  expect(runtime.forTenant('blocked-query').blockedQueries).toEqual([
    { pattern: '{app="forbidden"}', regex: false, hash: 0, types: [], tags: new Map() },
  ]);
  expect(lines).toEqual([]);
});

test('changes are seen after a period, and a bad file changes nothing', async () => {
  const { runtime, timers, lines, outcomes, files } = setUp({
    'o.yaml': 'overrides: {a: {max_line_size: 1}}',
  });
  await runtime.start();
  files['o.yaml'] = 'overrides: {a: {max_line_size: 2}}';
  await timers.fire();
  expect(runtime.forTenant('a').maxLineSizeBytes).toBe(2);
  for (const bad of ['overrides: [', 'nope: 1', 'overrides: {a: {max_line_size: big}}', undefined]) {
    files['o.yaml'] = bad;
    await timers.fire();
    expect(runtime.isLastReloadSuccessful).toBe(false);
    expect(runtime.forTenant('a').maxLineSizeBytes).toBe(2);
  }
  expect(lines).toHaveLength(4);
  expect(lines[1]).toContain('field nope not found');
  files['o.yaml'] = 'overrides: {}';
  await timers.fire();
  expect(runtime.isLastReloadSuccessful).toBe(true);
  expect(runtime.forTenant('a')).toBe(runtime.global);
  expect(outcomes).toEqual([true, true, false, false, false, false, true]);
  runtime.stop();
  expect(timers.size).toBe(0);
});

// Protects: a file that was truncated, or is just being written, takes no tenant's limits away.
test.each([
  '',
  '# all gone\n',
  '---\n',
  'overrides:\n',
  'overrides: ~\n',
  '{}',
  'configs: {a: {log_push_request: true}}\n',
])('a file emptied to %j keeps the last good overrides', async (text) => {
  const { runtime, timers, lines, files } = setUp({ 'o.yaml': 'overrides: {a: {max_line_size: 1}}' });
  await runtime.start();
  files['o.yaml'] = text;
  for (let i = 0; i < 2; i++) await timers.fire();
  expect(runtime.forTenant('a').maxLineSizeBytes).toBe(1);
  expect(runtime.isLastReloadSuccessful).toBe(false);
  expect(lines[0]).toContain('o.yaml: the file has no overrides any more');
  files['o.yaml'] = 'overrides: {}\n';
  await timers.fire();
  expect(runtime.tenants).toEqual([]);
  expect(runtime.isLastReloadSuccessful).toBe(true);
  // From here on the file may be empty, as it may be at the start.
  files['o.yaml'] = text;
  await timers.fire();
  expect(runtime.isLastReloadSuccessful).toBe(true);
});

test('one of several files that was emptied is enough to keep the last good overrides', async () => {
  const { runtime, timers, lines, files } = setUp({
    'a.yaml': 'overrides: {x: {max_line_size: 1}}',
    'b.yaml': 'overrides: {y: {max_line_size: 2}}',
  });
  await runtime.start();
  files['a.yaml'] = '';
  await timers.fire();
  expect(runtime.tenants).toEqual(['x', 'y']);
  expect(lines.join()).toContain('"a.yaml: the file has no overrides');
});

test('limits are made when a tenant is first asked for, and stay the same until its block changes', async () => {
  const text = 'overrides:\n  a:\n    max_line_size: 1\n  b:\n    query_timeout: 2m\n';
  const { runtime, timers, files } = setUp({ 'o.yaml': text });
  await runtime.start();
  const before = { a: runtime.forTenant('a'), b: runtime.forTenant('b') };
  expect(before.b).toMatchObject({ queryTimeoutMs: 120_000, maxQuerySeries: 77 });
  files['o.yaml'] = `# edited\n${text.replace('max_line_size: 1', 'max_line_size: 3')}`;
  await timers.fire();
  expect(runtime.forTenant('a').maxLineSizeBytes).toBe(3);
  expect(runtime.forTenant('b')).toBe(before.b);
  expect(runtime.valuesForTenant('b').get('query_timeout')).toBe(120_000_000_000n);
  expect(runtime.valuesForTenant('b').get('max_query_series')).toBe(77);
});

test('a mistake in every block is told without a flood', async () => {
  const blocks = Array.from({ length: 50 }, (_, i) => `  t${i}:\n    max_line_sise: 1\n`);
  const { runtime, lines } = setUp({ 'o.yaml': `overrides:\n${blocks.join('')}` });
  await runtime.start();
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toBe('warn overrides: 30 more of such warnings');
});

test('a bad file at the start is a failure of the start', async () => {
  await expect(setUp({ 'o.yaml': undefined }).runtime.start()).rejects.toThrow('no such file');
  await expect(setUp({ 'o.yaml': 'overrides: {a: {retention_period: 1h}}' }).runtime.start()).rejects.toThrow(
    'overrides of tenant a: retention period must be >= 24h',
  );
});

test('an unknown key of a tenant is a warning with its line, once, not at each reload', async () => {
  const { runtime, timers, lines } = setUp({ 'o.yaml': 'overrides:\n  a:\n    max_line_sise: 1\n' });
  await runtime.start();
  await timers.fire();
  expect(lines).toEqual([
    'warn o.yaml: line 3 (overrides of a): unknown limit limits_config.max_line_sise is ignored',
  ]);
});

test('keys of tenants that mean nothing here are named once for all of them', async () => {
  const { runtime, timers, lines } = setUp({
    'o.yaml':
      'overrides:\n  a: {cardinality_limit: 5, max_query_series: 7}\n  b: {cardinality_limit: 6, bloom_creation_enabled: true}\n',
  });
  await runtime.start();
  await timers.fire();
  expect(lines).toEqual([
    'warn overrides: accepted, no effect: limits_config.bloom_creation_enabled (search filters are built by the compactor, without settings); limits_config.cardinality_limit (use limits_config.max_query_memory)',
  ]);
  expect(runtime.forTenant('a').maxQuerySeries).toBe(7);
});

test('several files are merged, switches are kept apart, other sections are let be', async () => {
  const { runtime } = setUp({
    'a.yaml':
      'overrides: {x: {max_line_size: 1}, y: {max_line_size: 1}}\nmulti_kv_config: {primary: consul}\n',
    'b.yaml':
      'overrides: {y: {max_line_size: 2}}\nconfigs: {x: {log_push_request: true, filter_push_request_streams_ips: [1.2.3.4]}}\n',
  });
  await runtime.start();
  expect(runtime.forTenant('x').maxLineSizeBytes).toBe(1);
  expect(runtime.forTenant('y').maxLineSizeBytes).toBe(2);
  expect(runtime.switchesForTenant('x').get('log_push_request')).toBe(true);
  expect(runtime.switchesForTenant('x').get('filter_push_request_streams_ips')).toEqual(['1.2.3.4']);
  expect(runtime.switchesForTenant('y').size).toBe(0);
});

test('without files there is nothing to wait for', async () => {
  const { runtime, timers } = setUp({});
  await runtime.start();
  expect(timers.size).toBe(0);
  expect(runtime.forTenant('a')).toBe(runtime.global);
});
