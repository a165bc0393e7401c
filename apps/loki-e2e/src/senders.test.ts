/**
 * Protects what agents send: the requests of Vector, Fluent Bit, Promtail and Alloy as they send them, and
 * the answers by which they decide to go on, to send again or to drop.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { compressSync } from 'snappy';
import { encodePushRequest } from '@loki/proto';
import { goQuery, sendRaw } from './test/raw-client.ts';
import type { RawAnswer } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-senders-'));
let server: TestServer;

beforeAll(async () => {
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: true
limits_config: {ingestion_rate_mb: 100, ingestion_burst_size_mb: 100, per_stream_rate_limit: 100MB, per_stream_rate_limit_burst: 100MB}
runtime_config: {file: ${path.join(directory, 'overrides.yaml')}}
`,
  );
  fs.writeFileSync(
    path.join(directory, 'overrides.yaml'),
    'overrides: {slow: {ingestion_rate_mb: 0.001, ingestion_burst_size_mb: 0.001}}\n',
  );
  server = await TestServer.start([`-config.file=${file}`]);
});
afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

interface Entry {
  readonly timestampNs: bigint;
  readonly line: string;
}

const nowNs = () => BigInt(Date.now()) * 1_000_000n;

function entriesOf(lines: readonly string[], fromNs = nowNs()): Entry[] {
  return lines.map((line, i) => ({ timestampNs: fromNs + BigInt(i), line }));
}

const push = '/loki/api/v1/push';

/** Snappy protobuf: Vector by default, Promtail, Alloy, the Docker driver. */
function snappy(
  tenant: string,
  agent: string,
  labels: string,
  entries: readonly Entry[],
): Promise<RawAnswer> {
  return sendRaw(server.url, {
    method: 'POST',
    path: push,
    headers: { 'Content-Type': 'application/x-protobuf', 'X-Scope-OrgID': tenant, 'User-Agent': agent },
    body: compressSync(encodePushRequest({ streams: [{ labels, entries }] })),
  });
}

/** JSON: Vector without compression or with gzip, Fluent Bit. */
function asJson(
  tenant: string,
  stream: Record<string, string>,
  entries: readonly Entry[],
  more: Record<string, string> = {},
): Promise<RawAnswer> {
  const values = entries.map(({ timestampNs, line }) => [String(timestampNs), line]);
  const text = JSON.stringify({ streams: [{ stream, values }] });
  return sendRaw(server.url, {
    method: 'POST',
    path: push,
    headers: { 'Content-Type': 'application/json', 'X-Scope-OrgID': tenant, ...more },
    body: more['Content-Encoding'] === 'gzip' ? gzipSync(text) : text,
  });
}

async function linesOf(tenant: string, query: string): Promise<string[]> {
  const path = `/loki/api/v1/query_range?${goQuery({ query, limit: 5000, direction: 'forward' })}`;
  const answer = await sendRaw(server.url, { path, headers: { 'X-Scope-OrgID': tenant } });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  const { data } = JSON.parse(answer.text) as { data: { result: { values: [string, string][] }[] } };
  const values = data.result.flatMap((stream) => stream.values);
  return values.sort((a, b) => Number(BigInt(a[0]) - BigInt(b[0]))).map(([, line]) => line);
}

/** Nothing but 204 without a body counts as success for Vector. */
function expectTaken(answer: RawAnswer): void {
  expect([answer.status, answer.text]).toEqual([204, '']);
}

test.each([
  ['whizard-logs-ks', '{cluster="host", namespace="demo", pod="p", container="c", workspace="", node="n"}'],
  [
    'whizard-events-ks',
    '{cluster="host", type="Normal", kind="Pod", namespace="", reported_by="kubelet", reason="Pulled"}',
  ],
  [
    'whizard-auditing-ks',
    '{cluster="host", workspace="", namespace="", verb="get", resource="pods", user="admin"}',
  ],
  [
    'whizard-notification-ks',
    '{cluster="host", namespace="demo", alertname="A", alerttype="metric", severity="warning"}',
  ],
])('Vector, for %s', async (tenant, labels) => {
  expectTaken(await snappy(tenant, 'Vector/0.39.0', labels, entriesOf(['{"a":1}', '{"a":2}'])));
  expect(await linesOf(tenant, '{cluster="host"}')).toEqual(['{"a":1}', '{"a":2}']);
});

const codings: readonly Record<string, string>[] = [{}, { 'Content-Encoding': 'gzip' }];

test.each(codings)('Vector with JSON, %j', async (more) => {
  const tenant = `vector-json-${Object.keys(more).length}`;
  expectTaken(
    await asJson(tenant, { app: 'v' }, entriesOf(['one', 'two']), { 'User-Agent': 'Vector/0.39.0', ...more }),
  );
  expect(await linesOf(tenant, '{app="v"}')).toEqual(['one', 'two']);
});

test('a whole batch of Vector, ten megabytes of JSON', async () => {
  const lines = Array.from({ length: 4000 }, (_, i) => `${String(i).padStart(5, '0')} ${'x'.repeat(2500)}`);
  expectTaken(await asJson('big', { app: 'big' }, entriesOf(lines)));
  expectTaken(await snappy('big', 'Vector/0.39.0', '{app="big2"}', entriesOf(lines)));
  expect(await linesOf('big', '{app=~"big.*"} |= "00123"')).toHaveLength(2);
});

test('Vector asks for health without a tenant', async () => {
  expect((await sendRaw(server.url, { path: '/ready' })).status).toBe(200);
});

test('Fluent Bit stores its JSON lines', async () => {
  const more = { 'User-Agent': 'Fluent-Bit', Connection: 'keep-alive' };
  const line = '{"log":"hello","kubernetes":{"pod_name":"p"}}';
  expectTaken(await asJson('fluent', { job: 'fluentbit' }, entriesOf([line]), more));
  expect(await linesOf('fluent', '{job="fluentbit"} | json | kubernetes_pod_name="p"')).toEqual([line]);
});

test.each(['promtail/3.4.0', 'Alloy/v1.9.0 (linux; docker)'])('%s', async (agent) => {
  const tenant = agent.startsWith('p') ? 'promtail' : 'alloy';
  expectTaken(
    await snappy(tenant, agent, '{filename="/var/log/a.log", job="varlogs"}', entriesOf(['a', 'b'])),
  );
  expect(await linesOf(tenant, '{job="varlogs"}')).toEqual(['a', 'b']);
});

test('a batch that is sent again after a time-out is stored once, also in parts', async () => {
  const entries = entriesOf(['1', '2', '3', '4']);
  expectTaken(await snappy('again', 'promtail/3.4.0', '{app="a"}', entries));
  expectTaken(await snappy('again', 'promtail/3.4.0', '{app="a"}', entries));
  expectTaken(await snappy('again', 'promtail/3.4.0', '{app="a"}', entries.slice(2)));
  expect(await linesOf('again', '{app="a"}')).toEqual(['1', '2', '3', '4']);
});

test('entries out of order, within a batch and between batches sent side by side', async () => {
  const base = nowNs() - 60_000_000_000n;
  const entries = Array.from({ length: 60 }, (_, i) => ({
    timestampNs: base + BigInt(((i * 37) % 60) * 1000),
    line: String((i * 37) % 60).padStart(2, '0'),
  }));
  const batches = [entries.slice(40), entries.slice(0, 20), entries.slice(20, 40)];
  const answers = await Promise.all(
    batches.map((batch) => snappy('order', 'Vector/0.39.0', '{app="a"}', batch)),
  );
  answers.forEach(expectTaken);
  const lines = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'));
  expect(await linesOf('order', '{app="a"}')).toEqual(lines);
});

describe('what is not taken', () => {
  test('data at fault: 400 at once, and the entries that are good are stored', async () => {
    const old = { timestampNs: nowNs() - 30n * 86_400_000_000_000n, line: 'too old' };
    const answer = await snappy('part', 'promtail/3.4.0', '{app="a"}', [old, ...entriesOf(['good'])]);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('timestamp too old');
    expect(await linesOf('part', '{app="a"}')).toEqual(['good']);
    const damaged = await sendRaw(server.url, {
      method: 'POST',
      path: push,
      headers: { 'Content-Type': 'application/x-protobuf', 'X-Scope-OrgID': 'part' },
      body: 'no snappy',
    });
    expect(damaged.status).toBe(400);
  });

  test('too much: 429, so that it is sent again', async () => {
    const lines = Array.from({ length: 10 }, () => 'x'.repeat(1000));
    const answer = await asJson('slow', { app: 'a' }, entriesOf(lines));
    expect(answer.status).toBe(429);
    expect(answer.text).toContain('ingestion rate limit exceeded for user slow');
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  });

  test('a push without a tenant gets 401, with the reason in the body', async () => {
    const answer = await sendRaw(server.url, {
      method: 'POST',
      path: push,
      headers: { 'Content-Type': 'application/json' },
      body: '{"streams":[]}',
    });
    expect([answer.status, answer.text]).toEqual([401, 'no org id\n']);
  });

  test('OTLP: what cannot be decoded is refused as a Status message', async () => {
    const answer = await sendRaw(server.url, {
      method: 'POST',
      path: '/otlp/v1/logs',
      headers: {
        'Content-Type': 'application/x-protobuf',
        'Content-Encoding': 'gzip',
        'X-Scope-OrgID': 'otlp',
      },
      body: gzipSync(Buffer.from([0xff, 0xff])),
    });
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
  });
});
