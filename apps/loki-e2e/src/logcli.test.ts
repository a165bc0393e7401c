/**
 * Protects people at a terminal: the requests of logcli, exactly as it sends them, and the paging that it
 * does with them.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';
import { goQuery, sendRaw } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const tenant = 'whizard-notification-ks';
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-logcli-'));
let server: TestServer;
let firstNs: bigint;
const lineCount = 2500;

beforeAll(async () => {
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: true
limits_config: {volume_enabled: true}
compactor: {retention_enabled: true, delete_request_store: filesystem}
`,
  );
  server = await TestServer.start([`-config.file=${file}`]);
  firstNs = BigInt(Date.now() - 60_000) * 1_000_000n;
  // Ten lines for each nanosecond: pages end amidst equal timestamps.
  const values = Array.from({ length: lineCount }, (_, i) => [
    `${firstNs + BigInt(Math.floor(i / 10))}`,
    `{"alertname":"A${i % 3}","n":${i}}`,
  ]);
  const streams = [{ stream: { cluster: 'host', alertname: 'A', severity: 'warning' }, values }];
  expect((await server.push({ streams }, { 'x-scope-orgid': tenant })).status).toBe(204);
});

afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

const headers = {
  'User-Agent': 'loki-logcli/3.4.2',
  'X-Scope-OrgID': tenant,
  'X-Query-Tags': 'Source=logcli',
  'Cache-Control': 'no-cache',
  'Accept-Encoding': 'gzip',
};

async function ask<T>(route: string, params: Record<string, string | number | bigint>): Promise<T> {
  const query = goQuery(params);
  const answer = await sendRaw(server.url, {
    path: `/loki/api/v1/${route}${query === '' ? '' : `?${query}`}`,
    headers,
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return JSON.parse(answer.text) as T;
}

interface Streams {
  readonly data: { readonly result: { readonly values: readonly [string, string][] }[] };
}

const range = () => ({ start: firstNs - 1_000_000_000n, end: firstNs + 1_000_000_000n });
const selector = '{cluster="host"}';

test.each([
  ['FORWARD', 700],
  ['BACKWARD', 1000],
])(
  'pages %s, each from the last timestamp of the one before, bring each line once',
  async (direction, batch) => {
    const isForward = direction === 'FORWARD';
    const seen: string[] = [];
    let { start, end } = range();
    let last: string[] = [];
    for (let page = 0; page < 10; page++) {
      const params = { query: selector, limit: batch, start, end, direction };
      const { data } = await ask<Streams>('query_range', params);
      const values = data.result.flatMap((stream) => stream.values);
      const fresh = values.filter(([ns, line]) => !last.includes(`${ns} ${line}`));
      seen.push(...fresh.map(([, line]) => line));
      if (values.length < batch) break;
      const edge = values.at(-1)![0];
      last = values.filter(([ns]) => ns === edge).map(([ns, line]) => `${ns} ${line}`);
      if (isForward) start = BigInt(edge);
      else end = BigInt(edge) + 1n;
    }
    expect(seen).toHaveLength(lineCount);
    expect(new Set(seen).size).toBe(lineCount);
  },
);

test('a metric query with a step in float seconds', async () => {
  const query = `sum(count_over_time(${selector}[1m]))`;
  const params = { query, limit: 30, ...range(), step: '0.500000', direction: 'BACKWARD' };
  const { data } = await ask<{ data: { resultType: string; result: { values: [number, string][] }[] } }>(
    'query_range',
    params,
  );
  expect(data.resultType).toBe('matrix');
  expect(data.result[0].values.at(-1)![1]).toBe(String(lineCount));
});

test('lines at an interval in float seconds', async () => {
  const params = { query: selector, limit: 30, ...range(), interval: '1.000000', direction: 'FORWARD' };
  const { data } = await ask<Streams>('query_range', params);
  expect(data.result.flatMap(({ values }) => values)).toHaveLength(1);
});

test('an instant query returns a sample for the stream', async () => {
  const params = {
    query: `count_over_time(${selector}[5m])`,
    limit: 30,
    time: firstNs + 1_000_000_000n,
    direction: 'BACKWARD',
  };
  const { data } = await ask<{ data: { result: { value: [number, string] }[] } }>('query', params);
  expect(data.result.map(({ value }) => value[1])).toEqual([String(lineCount)]);
});

test("labels, values and series return the stream's labels", async () => {
  const names = ['alertname', 'cluster', 'service_name', 'severity'];
  expect(await ask('labels', range())).toEqual({ status: 'success', data: names });
  expect(await ask('label/severity/values', range())).toEqual({ status: 'success', data: ['warning'] });
  expect(await ask('series', { match: selector, ...range() })).toEqual({
    status: 'success',
    data: [{ alertname: 'A', cluster: 'host', service_name: 'unknown_service', severity: 'warning' }],
  });
});

test("statistics and volumes count the stream's lines", async () => {
  expect(await ask('index/stats', { query: selector, ...range() })).toMatchObject({
    streams: 1,
    entries: lineCount,
  });
  const volume = { query: selector, ...range(), limit: 30, aggregateBy: 'series', targetLabels: '' };
  const { data } = await ask<{ data: { resultType: string; result: { metric: object }[] } }>(
    'index/volume',
    volume,
  );
  expect(data.result.map(({ metric }) => metric)).toEqual([{ cluster: 'host' }]);
  const byStep = await ask<{ data: { result: { metric: object }[] } }>('index/volume_range', {
    ...volume,
    step: '1.000000',
  });
  expect(byStep.data.result.map(({ metric }) => metric)).toEqual([{ cluster: 'host' }]);
});

test('fields and their values', async () => {
  const params = { query: selector, ...range(), limit: 50, line_limit: 1000, step: '1' };
  const { fields, limit } = await ask<{ fields: { label: string }[]; limit: number }>(
    'detected_fields',
    params,
  );
  expect(limit).toBe(50);
  expect(fields.map(({ label }) => label)).toContain('n');
  const { values } = await ask<{ values: string[] }>('detected_field/alertname_extracted/values', params);
  expect(values.sort()).toEqual(['A0', 'A1', 'A2']);
});

test('a tail returns past lines, then new ones', async () => {
  const query = goQuery({ delay_for: 0, limit: 30, query: selector, start: firstNs - 1_000_000_000n });
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/loki/api/v1/tail?${query}`, { headers });
  const lines: string[] = [];
  socket.on('message', (data: Buffer) => {
    const { streams } = JSON.parse(data.toString()) as { streams: { values: [string, string][] }[] };
    lines.push(...streams.flatMap(({ values }) => values.map(([, line]) => line)));
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  await server.eventually(() => lines.length >= 30);
  expect(lines).toHaveLength(30);
  const values = [[`${BigInt(Date.now()) * 1_000_000n}`, 'just now']];
  const streams = [{ stream: { cluster: 'host', alertname: 'A', severity: 'warning' }, values }];
  await server.push({ streams }, { 'x-scope-orgid': tenant });
  await server.eventually(() => lines.includes('just now'));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.close(1000, '');
  await closed;
});

test('a delete request can be created, listed and cancelled', async () => {
  const seconds = firstNs / 1_000_000_000n;
  const params = { query: `${selector} |= "A1"`, start: seconds - 10n, end: seconds + 10n };
  const created = await sendRaw(server.url, {
    method: 'POST',
    path: `/loki/api/v1/delete?${goQuery(params)}`,
    headers,
  });
  expect([created.status, created.text]).toEqual([204, '']);
  const listed = await ask<{ request_id: string; query: string; status: string }[]>('delete', {});
  expect(listed).toMatchObject([{ query: params.query, status: 'received' }]);
  const gone = await sendRaw(server.url, {
    method: 'DELETE',
    path: `/loki/api/v1/delete?${goQuery({ request_id: listed[0].request_id, force: 'false' })}`,
    headers,
  });
  expect(gone.status).toBe(204);
});

test('a refusal is printed unchanged', async () => {
  const answer = await sendRaw(server.url, {
    path: `/loki/api/v1/query_range?${goQuery({ query: '{a=', limit: 30, ...range(), direction: 'BACKWARD' })}`,
    headers,
  });
  expect([answer.status, answer.text]).toEqual([
    400,
    'parse error at line 1, col 4: syntax error: unexpected $end, expecting STRING',
  ]);
});
