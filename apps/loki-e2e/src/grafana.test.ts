/**
 * Protects people with Grafana: each request that its Loki data source sends, exactly as it sends it, is
 * answered with the fields that the data source reads. The tenants are KubeSphere's, filled as its Vector
 * agents fill them.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { compressSync } from 'snappy';
import WebSocket from 'ws';
import { encodePushRequest } from '@loki/proto';
import { goQuery, sendRaw } from './test/raw-client.ts';
import type { RawAnswer } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const logsTenant = 'whizard-logs-ks';
const eventsTenant = 'whizard-events-ks';
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-grafana-'));
let server: TestServer;
/** Of the first entry; later ones follow a second apart. */
let firstMs: number;
const podCount = 3;
const linesOfPod = 20;

beforeAll(async () => {
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: true
querier: {multi_tenant_queries_enabled: true}
limits_config: {volume_enabled: true}
pattern_ingester: {enabled: true}
`,
  );
  server = await TestServer.start([`-config.file=${file}`]);
  firstMs = Math.floor(Date.now() / 1000) * 1000 - 120_000;
  for (let pod = 0; pod < podCount; pod++) {
    const entries = Array.from({ length: linesOfPod }, (_, i) => ({
      timestampNs: BigInt(firstMs + i * 1000) * 1_000_000n + BigInt(pod),
      line: JSON.stringify({
        log: `GET /api/items/${i} took ${i * 7}ms`,
        level: i % 5 === 0 ? 'error' : 'info',
        status: i % 5 === 0 ? 500 : 200,
        took: `${i * 7}ms`,
      }),
      metadata: [['trace_id', `t${i % 4}`]] as const,
    }));
    const labels = `{cluster="host", container="web", namespace="demo", pod="web-${pod}"}`;
    expect((await pushAsVector(logsTenant, [{ labels, entries }])).status).toBe(204);
  }
  const event = {
    timestampNs: BigInt(firstMs) * 1_000_000n,
    line: '{"reason":"BackOff","message":"restarting failed container"}',
    metadata: [],
  };
  const labels = '{cluster="host", kind="Pod", namespace="", type="Warning"}';
  expect((await pushAsVector(eventsTenant, [{ labels, entries: [event] }])).status).toBe(204);
});

afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

interface PushedEntry {
  readonly timestampNs: bigint;
  readonly line: string;
  readonly metadata: readonly (readonly [string, string])[];
}

/** Vector's loki sink with its default compression. */
function pushAsVector(
  tenant: string,
  streams: readonly { readonly labels: string; readonly entries: readonly PushedEntry[] }[],
): Promise<RawAnswer> {
  const body = compressSync(encodePushRequest({ streams }));
  return sendRaw(server.url, {
    method: 'POST',
    path: '/loki/api/v1/push',
    headers: {
      'content-type': 'application/x-protobuf',
      'x-scope-orgid': tenant,
      'user-agent': 'Vector/0.39.0',
      'accept-encoding': 'identity',
    },
    body,
  });
}

/** Calls a route with the headers and parameters that Grafana's server adds. */
function asGrafana(route: string, params: Readonly<Record<string, string | number | bigint>>, more = {}) {
  return sendRaw(server.url, {
    path: `/loki/api/v1/${route}?${goQuery(params)}`,
    headers: {
      'X-Scope-OrgID': logsTenant,
      'User-Agent': 'Grafana/12.1.0',
      'Accept-Encoding': 'gzip',
      'X-Grafana-Org-Id': '1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      ...more,
    },
  });
}

function json<T>(answer: RawAnswer): T {
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  expect(answer.headers['content-type']).toMatch(/^application\/json(?:; charset=UTF-8)?$/);
  return JSON.parse(answer.text) as T;
}

/** Nanoseconds as JavaScript prints them: the last digits may be rounded. */
const asScriptNs = (ms: number) => String(ms * 1e6);
const range = () => ({ start: asScriptNs(firstMs - 60_000), end: asScriptNs(firstMs + 60_000) });
const categorize = { 'X-Loki-Response-Encoding-Flags': 'categorize-labels' };

interface Streams {
  readonly status: string;
  readonly data: {
    readonly resultType: string;
    readonly encodingFlags?: readonly string[];
    readonly result: {
      readonly stream: Record<string, string>;
      readonly values: readonly [string, string, Record<string, Record<string, string>>?][];
    }[];
    readonly stats: { readonly summary: Record<string, number> };
  };
}

interface Series {
  readonly data: {
    readonly resultType: string;
    readonly result: {
      readonly metric: Record<string, string>;
      readonly values: readonly [number, string][];
      readonly value: readonly [number, string];
    }[];
  };
}

const linesOf = ({ data }: Streams) => data.result.flatMap(({ values }) => values);

// Ten digits are seconds to Loki, whatever the data source means by them.
test('"save and test" gets one sample with the value 2', async () => {
  const answer = await asGrafana(
    'query',
    { query: 'vector(1)+vector(1)', direction: 'backward', time: '4000000000' },
    categorize,
  );
  expect(json<Series>(answer).data).toMatchObject({
    resultType: 'vector',
    result: [{ metric: {}, value: [4_000_000_000, '2'] }],
  });
});

test('a panel of lines: categorized labels, newest first, statistics for the inspector', async () => {
  const query = '{namespace="demo"} | json';
  const params = { query, direction: 'backward', ...range(), step: '15000ms', limit: 7 };
  const answer = await asGrafana('query_range', params, { ...categorize, 'X-Query-Tags': 'Source=loki' });
  const streams = json<Streams>(answer);
  expect(streams.data.encodingFlags).toEqual(['categorize-labels']);
  const { result, stats } = streams.data;
  const lines = linesOf(streams);
  expect(lines).toHaveLength(7);
  for (const { stream } of result) {
    expect(Object.keys(stream).sort()).toEqual(['cluster', 'container', 'namespace', 'pod', 'service_name']);
  }
  for (const [ns, line, categories] of lines) {
    expect(Number(ns)).toBeGreaterThanOrEqual((firstMs + 17_000) * 1e6);
    const { level, status } = JSON.parse(line) as { level: string; status: number };
    expect(categories?.['structuredMetadata']).toMatchObject({ detected_level: level });
    expect(categories?.['structuredMetadata']['trace_id']).toMatch(/^t\d$/);
    expect(categories?.['parsed']).toMatchObject({ level, status: String(status) });
  }
  expect(stats.summary).toMatchObject({
    execTime: expect.any(Number),
    totalBytesProcessed: expect.any(Number),
    totalLinesProcessed: expect.any(Number),
  });
});

test('a query over days comes in pieces whose borders neither lose nor repeat a line', async () => {
  const query = '{namespace="demo"}';
  const whole = json<Streams>(
    await asGrafana('query_range', { query, ...range(), step: '500ms', limit: 1000 }),
  );
  const cut = String(BigInt(firstMs + 7000) * 1_000_000n + 1n);
  const { start, end } = range();
  const pieces: Streams[] = [];
  for (const piece of [
    { start: cut, end },
    { start, end: cut },
  ]) {
    const params = { query, direction: 'backward', ...piece, step: '500ms', limit: 1000 };
    const context = JSON.stringify({ expr: query, from: firstMs - 60_000, to: firstMs + 60_000 });
    pieces.push(
      json<Streams>(await asGrafana('query_range', params, { 'X-Loki-Query-Limits-Context': context })),
    );
  }
  const keys = (streams: Streams) =>
    streams.data.result.flatMap(({ stream, values }) => values.map(([ns]) => `${stream['pod']} ${ns}`));
  expect(pieces.flatMap(keys).sort()).toEqual(keys(whole).sort());
  expect(new Set(keys(whole)).size).toBe(podCount * linesOfPod);
});

test('the histogram above the lines, with the step in milliseconds', async () => {
  const expr = '{namespace="demo"} | json | drop __error__[5000ms]';
  const query = `sum by (level, detected_level) (count_over_time(${expr}))`;
  const params = { query, direction: 'backward', ...range(), step: '5000ms' };
  const { data } = json<Series>(
    await asGrafana('query_range', params, { 'X-Query-Tags': 'Source=logvolhist' }),
  );
  expect(data.resultType).toBe('matrix');
  const counts = new Map(
    data.result.map(({ metric, values }) => [
      metric['detected_level'],
      values.reduce((sum, [, value]) => sum + Number(value), 0),
    ]),
  );
  expect(Object.fromEntries(counts)).toEqual({ error: 12, info: 48 });
  for (const { values } of data.result) for (const [second] of values) expect(second % 5).toBe(0);
});

test('an instant query in the form of alerting returns one sample', async () => {
  const params = {
    query: 'sum(count_over_time({namespace="demo"} |= "error" [1h]))',
    direction: 'backward',
    time: asScriptNs(firstMs + 60_000),
  };
  const { data } = json<Series>(await asGrafana('query', params, { FromAlert: 'true' }));
  expect(data).toMatchObject({
    resultType: 'vector',
    result: [{ metric: {}, value: [firstMs / 1000 + 60, '12'] }],
  });
});

test('label names, and the probe before them', async () => {
  const probe = json<{ detectedLabels: { label: string; cardinality: number }[] }>(
    await asGrafana('detected_labels', range()),
  );
  expect(probe.detectedLabels).toContainEqual({ label: 'pod', cardinality: podCount });
  const names = ['cluster', 'container', 'namespace', 'pod', 'service_name'];
  expect(json(await asGrafana('labels', range()))).toEqual({ status: 'success', data: names });
  const narrowed = await asGrafana('labels', { ...range(), query: '{pod="web-1"}' });
  expect(json(narrowed)).toEqual({ status: 'success', data: names });
});

test('label values, by names that have to be escaped too', async () => {
  const pods = ['web-0', 'web-1', 'web-2'];
  expect(json(await asGrafana('label/pod/values', range()))).toEqual({ status: 'success', data: pods });
  const params = { ...range(), query: '{pod=~"web-[01]"}' };
  expect(json(await asGrafana('label/pod/values', params))).toEqual({
    status: 'success',
    data: pods.slice(0, 2),
  });
  expect(json(await asGrafana('label/a%20b%25c/values', range()))).toEqual({ status: 'success' });
  expect(json(await asGrafana('label/__stream_shard__/values', params))).toEqual({ status: 'success' });
});

test('series', async () => {
  const answer = await asGrafana('series', { 'match[]': '{pod="web-2"}', ...range() });
  expect(json(answer)).toEqual({
    status: 'success',
    data: [{ cluster: 'host', container: 'web', namespace: 'demo', pod: 'web-2', service_name: 'web' }],
  });
});

test('fields of the query builder, and their values', async () => {
  const params = { query: '{namespace="demo"}', ...range(), limit: 1000 };
  const { fields, limit } = json<{
    fields: { label: string; type: string; parsers: string[] | null }[];
    limit: number;
  }>(await asGrafana('detected_fields', params));
  expect(limit).toBe(1000);
  const field = (name: string) => fields.find(({ label }) => label === name);
  expect(field('status')).toMatchObject({
    type: 'int',
    cardinality: 2,
    parsers: ['json'],
    jsonPath: ['status'],
  });
  expect(field('took')).toMatchObject({ type: 'duration', parsers: ['json'] });
  expect(field('trace_id')).toMatchObject({ type: 'string', cardinality: 4, parsers: null });
  const { values } = json<{ values: string[] }>(await asGrafana('detected_field/status/values', params));
  expect(values.sort()).toEqual(['200', '500']);
});

test('the size hint in the editor comes without an envelope', async () => {
  const stats = json<Record<string, number>>(
    await asGrafana('index/stats', { query: '{namespace="demo"}', ...range() }),
  );
  expect(Object.keys(stats)).toEqual(['streams', 'chunks', 'bytes', 'entries']);
  expect(stats['streams']).toBe(podCount);
});

test('the context of a line has the lines before and after it', async () => {
  const ns = BigInt(firstMs + 10_000) * 1_000_000n + 1n;
  const query = '{cluster="host",container="web",namespace="demo",pod="web-1",service_name="web"}';
  const window = 7_200_000_000_000n;
  const before = await asGrafana(
    'query_range',
    { query, direction: 'backward', start: ns - window, end: ns + 1n, limit: 10, step: '15000ms' },
    categorize,
  );
  const after = await asGrafana(
    'query_range',
    { query, direction: 'forward', start: ns, end: ns + window, limit: 10, step: '15000ms' },
    categorize,
  );
  expect(linesOf(json<Streams>(before))[0][0]).toBe(String(ns));
  expect(linesOf(json<Streams>(after))[0][0]).toBe(String(ns));
  expect(linesOf(json<Streams>(before))).toHaveLength(10);
  expect(linesOf(json<Streams>(after))).toHaveLength(10);
});

test('several tenants in one data source', async () => {
  const more = { 'X-Scope-OrgID': `${logsTenant}|${eventsTenant}` };
  const params = {
    query: '{cluster="host"}',
    direction: 'backward',
    ...range(),
    step: '15000ms',
    limit: 1000,
  };
  const streams = json<Streams>(await asGrafana('query_range', params, more));
  const tenants = new Set(streams.data.result.map(({ stream }) => stream['__tenant_id__']));
  expect([...tenants].sort()).toEqual([eventsTenant, logsTenant]);
  expect(json<{ data: string[] }>(await asGrafana('label/__tenant_id__/values', range(), more)).data).toEqual(
    [eventsTenant, logsTenant],
  );
});

test('a KubeSphere dashboard: every label as a variable that may be empty, and an empty text box', async () => {
  const variables = 'cluster=~".+", namespace=~".*", workspace=~".*", kind=~".*"';
  const query = `{${variables}} |~ ""`;
  const params = { query, direction: 'backward', ...range(), step: '15000ms', limit: 1000 };
  const streams = json<Streams>(await asGrafana('query_range', params, { 'X-Scope-OrgID': eventsTenant }));
  expect(streams.data.result.map(({ stream }) => stream)).toEqual([
    {
      cluster: 'host',
      detected_level: 'unknown',
      kind: 'Pod',
      service_name: 'unknown_service',
      type: 'Warning',
    },
  ]);
});

test('errors reach the user as the text of the answer', async () => {
  const answer = await asGrafana('query_range', { query: '{app="a" |= "x"', ...range(), step: '1000ms' });
  expect(answer.status).toBe(400);
  expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(answer.text).toMatch(/^parse error at line [01], col \d+: /);
  const nobody = await asGrafana('labels', range(), { 'X-Scope-OrgID': '' });
  expect([nobody.status, nobody.text]).toEqual([401, 'no org id\n']);
});

test('buildinfo tells a Loki 3, and rules that Grafana manages go out and in as YAML', async () => {
  const info = json<{ version: string }>(await asGrafana('status/buildinfo', {}));
  expect(info.version).toMatch(/^3\./);
  const headers = { 'X-Scope-OrgID': logsTenant, 'User-Agent': 'Grafana/12.1.0', 'Accept-Encoding': 'gzip' };
  const probe = await sendRaw(server.url, { path: '/api/v1/status/buildinfo', headers });
  expect(probe.status).toBe(404);
  const group = `name: demo
interval: 1m
rules:
  - alert: Errors
    expr: sum(rate({namespace="demo"} |= "error" [5m])) > 100
    for: 5m
    labels:
      severity: warning
`;
  const rules = '/loki/api/v1/rules';
  const posted = await sendRaw(server.url, {
    method: 'POST',
    path: `${rules}/my%20folder`,
    headers: { ...headers, 'Content-Type': 'application/yaml' },
    body: group,
  });
  expect([posted.status, posted.text]).toEqual([
    202,
    '{"status":"success","data":null,"errorType":"","error":""}',
  ]);
  const all = await sendRaw(server.url, { path: rules, headers });
  expect(all.text).toContain('my folder:');
  const one = await sendRaw(server.url, { path: `${rules}/my%20folder/demo`, headers });
  expect(one.text).toContain('alert: Errors');
  const running = await sendRaw(server.url, { path: '/prometheus/api/v1/rules', headers });
  expect(JSON.parse(running.text)).toMatchObject({ status: 'success', data: { groups: expect.any(Array) } });
  const alerts = await sendRaw(server.url, { path: '/prometheus/api/v1/alerts', headers });
  expect(JSON.parse(alerts.text)).toMatchObject({ status: 'success', data: { alerts: expect.any(Array) } });
  const gone = await sendRaw(server.url, { method: 'DELETE', path: `${rules}/my%20folder/demo`, headers });
  expect(gone.status).toBe(202);
  expect((await sendRaw(server.url, { path: `${rules}/my%20folder`, headers })).status).toBe(404);
});

test('live tail, as Grafana passes it on: text frames, one entry a stream, pings that are answered', async () => {
  const query = '{namespace="demo", container="tailed"}';
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/loki/api/v1/tail?${goQuery({ query })}`, {
    headers: { 'X-Scope-OrgID': logsTenant, 'User-Agent': 'Grafana/12.1.0' },
  });
  const frames: Streams['data']['result'][] = [];
  let pings = 0;
  let isText = true;
  socket.on('ping', () => pings++);
  socket.on('message', (data: Buffer, isBinary) => {
    isText &&= !isBinary;
    frames.push((JSON.parse(data.toString()) as { streams: Streams['data']['result'] }).streams);
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const labels = '{cluster="host", container="tailed", namespace="demo", pod="t"}';
  const entries = ['one', 'two'].map((line, i) => ({
    timestampNs: BigInt(Date.now()) * 1_000_000n + BigInt(i),
    line,
    metadata: [],
  }));
  await pushAsVector(logsTenant, [{ labels, entries }]);
  for (let i = 0; i < 100 && (frames.flat().length < 2 || pings < 1); i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  socket.close();
  expect(isText).toBe(true);
  expect(pings).toBeGreaterThan(0);
  expect(frames.flat().map(({ values }) => values.map(([, line]) => line))).toEqual([['one'], ['two']]);
  expect(frames.flat()[0].stream).toMatchObject({ container: 'tailed', pod: 't' });
});
