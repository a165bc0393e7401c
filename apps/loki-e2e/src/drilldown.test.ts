/**
 * Protects people who look around in their logs with Grafana's Logs Drilldown: each of its requests, exactly
 * as it sends it, is answered with the fields that it reads.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { goQuery, sendRaw } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const tenant = 'whizard-auditing-ks';
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-drilldown-'));
let server: TestServer;
let firstMs: number;
const minute = 60_000;

beforeAll(async () => {
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: true
limits_config: {volume_enabled: true, max_query_series: 20}
pattern_ingester: {enabled: true}
`,
  );
  server = await TestServer.start([`-config.file=${file}`]);
  firstMs = Math.floor(Date.now() / minute) * minute - 2 * minute;
  const streams = ['api', 'web'].map((app, a) => ({
    stream: { app, namespace: 'demo', cluster: 'host' },
    values: Array.from({ length: 30 * (a + 1) }, (_, i) => [
      `${BigInt(firstMs + i * 1000) * 1_000_000n}`,
      JSON.stringify({
        level: i % 3 === 0 ? 'error' : 'info',
        msg: `request ${i} of user ${i % 7} done`,
        took: `${i}ms`,
        size: `${i + 1}KB`,
        list: [`first-${i % 2}`],
        app: 'inside',
      }),
      { trace_id: `t${i % 5}` },
    ]),
  }));
  expect((await server.push({ streams }, { 'x-scope-orgid': tenant })).status).toBe(204);
});

afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

/** Its times are ISO 8601 with milliseconds, not nanoseconds. */
const range = () => ({
  start: new Date(firstMs - minute).toISOString(),
  end: new Date(firstMs + 3 * minute).toISOString(),
});

async function ask<T>(route: string, params: Record<string, string | number>, more = {}): Promise<T> {
  const answer = await sendRaw(server.url, {
    path: `/loki/api/v1/${route}?${goQuery(params)}`,
    headers: {
      'X-Scope-OrgID': tenant,
      'X-Query-Tags': 'Source=grafana-lokiexplore-app',
      'User-Agent': 'Grafana/12.1.0',
      'Accept-Encoding': 'gzip',
      ...more,
    },
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return JSON.parse(answer.text) as T;
}

interface Answer {
  readonly data: {
    readonly resultType: string;
    readonly result: {
      readonly metric: Record<string, string>;
      readonly stream: Record<string, string>;
      readonly value: readonly [number, string];
      readonly values: readonly (readonly [number | string, string])[];
    }[];
  };
}

/** Its queries go through the data source as all others, with nanoseconds. */
function query(text: string, more: Record<string, string | number> = {}): Promise<Answer> {
  const params = { query: text, direction: 'backward', start: `${firstMs - minute}000000`, step: '60000ms' };
  return ask('query_range', { ...params, end: `${firstMs + 3 * minute}000000`, ...more });
}

test('limits: what is switched on, and how much may be asked', async () => {
  const answer = await ask<Record<string, unknown>>(
    'drilldown-limits',
    {},
    { 'X-Grafana-Cache': 'private, max-age=86400' },
  );
  expect(answer).toMatchObject({
    limits: {
      discover_log_levels: true,
      discover_service_name: expect.arrayContaining(['service', 'app', 'container']),
      log_level_fields: expect.arrayContaining(['level', 'severity']),
      max_entries_limit_per_query: 5000,
      max_query_length: '30d1h',
      retention_period: expect.any(String),
      volume_enabled: true,
      volume_max_series: 1000,
    },
    pattern_ingester_enabled: true,
    version: expect.any(String),
  });
});

test('volume: one row for each service, bytes as text', async () => {
  const { data } = await ask<Answer>('index/volume', {
    query: '{service_name=~".+"}',
    limit: 5000,
    ...range(),
  });
  expect(data.resultType).toBe('vector');
  expect(data.result.map(({ metric }) => metric)).toEqual([{ service_name: 'web' }, { service_name: 'api' }]);
  const bytes = data.result.map(({ value }) => value[1]);
  for (const text of bytes) expect(text).toMatch(/^\d+$/);
  expect(Number(bytes[0])).toBeGreaterThan(Number(bytes[1]));
});

test('volumes are grouped by any label, and limited to a selection', async () => {
  const { data } = await ask<Answer>('index/volume', { query: '{cluster=~".+"}', limit: 5000, ...range() });
  expect(data.result.map(({ metric }) => metric)).toEqual([{ cluster: 'host' }]);
});

test('labels and detected labels, whose query may be empty', async () => {
  const names = ['app', 'cluster', 'namespace', 'service_name'];
  expect(await ask('labels', range())).toEqual({ status: 'success', data: names });
  for (const selector of ['', '{service_name="web"}']) {
    const { detectedLabels } = await ask<{ detectedLabels: { label: string; cardinality: number }[] }>(
      'detected_labels',
      { query: selector, ...range() },
    );
    const cardinality = selector === '' ? 2 : 1;
    expect(detectedLabels.map(({ label }) => label).sort()).toEqual(names);
    expect(detectedLabels).toContainEqual({ label: 'app', cardinality });
  }
});

interface Field {
  readonly label: string;
  readonly type: string;
  readonly cardinality: number;
  readonly parsers: readonly string[] | null;
  readonly jsonPath?: readonly string[];
}

test('fields: types, parsers, paths; a name that is a label too is told apart', async () => {
  const { fields, limit } = await ask<{ fields: Field[]; limit: number }>('detected_fields', {
    query: '{service_name="web"} | json | logfmt | drop __error__, __error_details__',
    ...range(),
  });
  expect(limit).toBe(1000);
  const byName = new Map(fields.map((field) => [field.label, field]));
  expect(byName.get('took')).toMatchObject({ type: 'duration' });
  expect(byName.get('size')).toMatchObject({ type: 'bytes' });
  expect(byName.get('trace_id')).toEqual({
    label: 'trace_id',
    type: 'string',
    cardinality: 5,
    parsers: null,
  });
  expect(byName.get('app_extracted')).toMatchObject({ cardinality: 1 });
  expect(byName.get('took')?.parsers).toContain('json');
  expect(byName.get('took')?.jsonPath).toEqual(['took']);
});

test('values of a field', async () => {
  const answer = await ask<{ values: string[]; limit: number }>('detected_field/trace_id/values', {
    query: '{service_name="web"}',
    ...range(),
    limit: 1000,
  });
  expect({ ...answer, values: answer.values.sort() }).toEqual({
    values: ['t0', 't1', 't2', 't3', 't4'],
    limit: 1000,
  });
  expect(
    await ask('detected_field/nothing/values', { query: '{app="web"}', ...range(), limit: 1000 }),
  ).toEqual({});
});

test.each(['10s', '1m'])('patterns by steps of %s', async (step) => {
  const { status, data } = await ask<{
    status: string;
    data: { pattern: string; samples: [number, number][] }[];
  }>('patterns', { query: '{service_name="web"}', ...range(), step });
  expect(status).toBe('success');
  expect(data.length).toBeGreaterThan(0);
  const seconds = step === '10s' ? 10 : 60;
  for (const { pattern, samples } of data) {
    expect(pattern).toContain('<_>');
    for (const [second, count] of samples) {
      expect(second % seconds).toBe(0);
      expect(count).toBeGreaterThan(0);
    }
  }
  const lines = data.flatMap(({ samples }) => samples).reduce((sum, [, count]) => sum + count, 0);
  expect(lines).toBe(60);
});

describe('the queries that it builds', () => {
  const selector = '{service_name="web", cluster="host"}';
  const valuesOf = ({ data }: Answer) => data.result.flatMap(({ values }) => values);

  test.each([
    [
      `${selector} | detected_level="error" | trace_id="t0" |= "request" | json | drop __error__, __error_details__`,
      4,
    ],
    [
      `${selector} | detected_level="error" | trace_id="t0" |~ "(?i)REQUEST" | json | logfmt | drop __error__, __error_details__ | level="error"`,
      4,
    ],
    [
      `${selector} | json first="list[0]" | drop __error__, __error_details__ | first="first-0" | detected_level="error" | trace_id="t0"`,
      2,
    ],
  ])('%s', async (text, count) => {
    expect(valuesOf(await query(text, { limit: 1000 }))).toHaveLength(count);
  });

  test('the histogram of levels counts every line', async () => {
    const expr = `sum by (detected_level) (count_over_time(${selector} | drop __error__ [60000ms]))`;
    const { data } = await query(expr);
    const counts = data.result.map(({ metric, values }) => [
      metric['detected_level'],
      values.reduce((sum, [, value]) => sum + Number(value), 0),
    ]);
    expect(Object.fromEntries(counts)).toEqual({ error: 20, info: 40 });
  });

  test('lines by a field, and the field alone over the whole range', async () => {
    const by = `sum by (trace_id) (count_over_time(${selector} | trace_id!="" [60000ms]))`;
    expect((await query(by)).data.result).toHaveLength(5);
    const keep = `sum by (trace_id) (count_over_time(${selector} | json | drop __error__, __error_details__ | keep trace_id [240s]))`;
    const answer = await ask<Answer>('query', {
      query: keep,
      direction: 'backward',
      time: `${firstMs + 3 * minute}000000`,
    });
    expect(answer.data.result.map(({ value }) => value[1])).toEqual(Array(5).fill('12'));
  });

  test.each([
    ['duration(took)', 0.0295],
    ['bytes(size)', 30.5 * 1000],
  ])('the average of %s', async (unwrap, expected) => {
    const expr = `avg_over_time(${selector} | json | drop __error__, __error_details__ | unwrap ${unwrap} | __error__="" [240s]) by ()`;
    const { data } = await query(expr);
    const values = data.result.flatMap((series) => series.values.map(([, value]) => Number(value)));
    expect(values.some((value) => Math.abs(value - expected) < 1e-9 * expected)).toBe(true);
  });

  test('more series than allowed: the first ones and a warning, where others get an error', async () => {
    const expr = `sum by (msg) (count_over_time(${selector} | json | drop __error__, __error_details__ [240s]))`;
    const answer = (await query(expr)) as Answer & { readonly warnings: readonly string[] };
    expect(answer.data.result).toHaveLength(20);
    expect(answer.warnings).toEqual([expect.stringContaining('maximum number of series (20) reached')]);
    const params = { query: expr, start: `${firstMs}000000`, end: `${firstMs + minute}000000` };
    const others = ask('query_range', params, { 'X-Query-Tags': 'Source=logvolhist' });
    await expect(others).rejects.toThrow('400 maximum number of series (20) reached');
  });

  test('lines that follow a pattern, and those that do not', async () => {
    const matching = await query(`${selector} |> "<_>request <_> of user 0 done<_>"`, { limit: 1000 });
    const others = await query(`${selector} !> "<_>request <_> of user 0 done<_>"`, { limit: 1000 });
    expect(valuesOf(matching)).toHaveLength(9);
    expect(valuesOf(others)).toHaveLength(51);
  });

  test('streams of aggregated metrics are asked for, and are not there', async () => {
    expect((await query('{__aggregated_metric__=~".+"} | json')).data.result).toEqual([]);
  });
});
