/** Protects the distributed system: real processes that know each other by the ring and talk over gRPC. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import WebSocket from 'ws';
import { eventually, freePort } from '@loki/test-tools';
import { lokictl } from './test/lokictl.ts';
import { TestServer } from './test/server.ts';

let directory: string;
let flags: string[];
let writer: TestServer;
let gateway: TestServer;
let querier: TestServer;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-split-'));
  const port = await freePort();
  const file = path.join(directory, 'loki.yaml');
  // The process that answers at this port keeps the ring: -target=write.
  fs.writeFileSync(
    file,
    `common:
  ring: {kvstore: {store: memberlist}, instance_addr: 127.0.0.1, heartbeat_period: 1s}
  storage: {filesystem: {chunks_directory: ${directory}/store, rules_directory: ${directory}/rules}}
memberlist: {join_members: ['127.0.0.1:${port}']}
`,
  );
  flags = [`-config.file=${file}`, '-server.grpc-listen-address=127.0.0.1'];
  writer = await TestServer.start([
    ...flags,
    '-target=write',
    '-ingester.lifecycler.ID=writer',
    `-server.grpc-listen-port=${port}`,
  ]);
  querier = await TestServer.start([...flags, '-target=querier', '-ingester.lifecycler.ID=querier']);
  gateway = await TestServer.start([...flags, '-target=gateway', '-ingester.lifecycler.ID=gateway']);
});

afterAll(async () => {
  for (const server of [gateway, querier, writer]) await server?.dispose();
  fs.rmSync(directory, { recursive: true, force: true });
});

function push(app: string, lines: readonly string[], tenant = 'acme') {
  const now = BigInt(Date.now()) * 1_000_000n;
  const values = lines.map((line, i) => [String(now + BigInt(i)), line]);
  return gateway.push({ streams: [{ stream: { app }, values }] }, { 'x-scope-orgid': tenant });
}

async function query(expr: string, tenant = 'acme') {
  const search = new URLSearchParams({ query: expr }).toString();
  const { status, text } = await gateway.get(`/loki/api/v1/query_range?${search}`, {
    'x-scope-orgid': tenant,
  });
  if (status !== 200) throw new Error(`${status} ${text}`);
  const { data } = JSON.parse(text) as { data: { result: { values: [string, string][] }[] } };
  return data.result.flatMap(({ values }) => values.map(([, line]) => line)).sort();
}

test('what is pushed to the gateway is read from the gateway', async () => {
  expect(await push('a', ['one', 'two'])).toEqual({ status: 204, text: '' });
  expect(await query('{app="a"}')).toEqual(['one', 'two']);
  expect(await query('{app="a"} |= "tw"')).toEqual(['two']);
  const { text } = await gateway.get('/loki/api/v1/label/app/values', { 'x-scope-orgid': 'acme' });
  expect(JSON.parse(text)).toMatchObject({ data: ['a'] });
});

test('an export, and what a query would read, through the gateway', async () => {
  await push('exported', ['one', 'two', 'three'], 'exporter');
  const headers = { 'x-scope-orgid': 'exporter' };
  const search = new URLSearchParams({ query: '{app="exported"} |= "t"' }).toString();
  const exported = await gateway.get(`/loki/api/v1/export?${search}`, headers);
  const lines = exported.text.trimEnd().split('\n');
  const entries = lines.map(
    (line) => JSON.parse(line) as { line?: string; done?: boolean; entries?: number },
  );
  expect(entries.flatMap(({ line }) => line ?? [])).toEqual(['two', 'three']);
  expect(entries.at(-1)).toMatchObject({ done: true, entries: 2 });
  const explained = await gateway.get(`/loki/api/v1/explain?${search}`, headers);
  expect(JSON.parse(explained.text)).toMatchObject({
    data: { leaves: [{ selected: { streams: 1, entries: 3 }, lines: 3, unflushedLines: 3 }] },
  });
});

test('a tenant reads its own lines alone', async () => {
  await push('shared', ['of one'], 'one');
  await push('shared', ['of two'], 'two');
  expect(await query('{app="shared"}', 'one')).toEqual(['of one']);
  expect(await query('{app="shared"}', 'two')).toEqual(['of two']);
  expect((await gateway.push({ streams: [] })).status).toBe(401);
});

test('refusals come back in the words of whoever refused', async () => {
  const empty = await gateway.push({ streams: [] }, { 'x-scope-orgid': 'acme' });
  expect(empty).toMatchObject({ status: 422 });
  expect(empty.text).toContain('at least one valid stream');
  const wrong = await gateway.get(
    `/loki/api/v1/query_range?${new URLSearchParams({ query: `topk(1, {app="a"})` }).toString()}`,
    { 'x-scope-orgid': 'acme' },
  );
  expect(wrong.status).toBe(400);
  expect(wrong.text).toContain('parse error');
});

test('a tail follows across processes', async () => {
  await push('tailed', ['before']);
  const search = new URLSearchParams({ query: `{app="tailed"}` }).toString();
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/loki/api/v1/tail?${search}`, {
    headers: { 'x-scope-orgid': 'acme' },
  });
  const lines: string[] = [];
  socket.on('message', (data: Buffer) => {
    const { streams } = JSON.parse(data.toString()) as { streams: { values: [string, string][] }[] };
    for (const { values } of streams ?? []) lines.push(...values.map(([, line]) => line));
  });
  try {
    await eventually(() => lines.includes('before'));
    await push('tailed', ['after']);
    await eventually(() => lines.includes('after'));
    expect(lines).toEqual(['before', 'after']);
  } finally {
    socket.terminate();
  }
});

test('flushed lines are read from the store, and none twice', async () => {
  await push('flushed', ['stored']);
  expect((await fetch(`${gateway.url}/flush`, { method: 'POST' })).status).toBe(204);
  await push('flushed', ['in memory']);
  expect(await query('{app="flushed"}')).toEqual(['in memory', 'stored']);
});

test('operators see every partition, who leads it, and every ring from any process', async () => {
  await push('operated', ['line']);
  for (const { url } of [gateway, querier, writer]) {
    const answer = (await (await fetch(`${url}/partitions`)).json()) as {
      partitions: {
        owners: string[];
        instances: { instance: string; isLeader: boolean; endOffset: number }[];
      }[];
      failures: unknown[];
    };
    expect(answer.failures).toEqual([]);
    expect(answer.partitions).toHaveLength(1);
    for (const { owners, instances } of answer.partitions) {
      expect(owners).toEqual(['writer']);
      expect(instances).toMatchObject([{ instance: 'writer', isLeader: true, isCaughtUp: true }]);
    }
    expect(answer.partitions.some(({ instances }) => instances[0].endOffset > 0)).toBe(true);
    const asJson = { headers: { accept: 'application/json' } };
    const ring = (await (await fetch(`${url}/distributor/ring`, asJson)).json()) as { shards: object[] };
    expect(ring.shards).toMatchObject([{ id: 'writer', state: 'ACTIVE' }]);
    // This process runs no compactor.
    expect((await fetch(`${url}/compaction`)).status).toBe(503);
  }
});

test('lokictl top adds up all processes, from any of them', async () => {
  for (const { url } of [gateway, writer]) {
    let isOver = false;
    const looks = lokictl('top', '--json', '--addr', `${url},${querier.url}`).finally(() => (isOver = true));
    const pushes = (async () => {
      for (let i = 0; !isOver; i++) {
        await push('watched', [`line ${i}`], 'busy');
        await setTimeout(100);
      }
    })();
    const usage = JSON.parse(await looks) as Record<'processes' | 'tenants' | 'partitions', object[]>;
    await pushes;
    const names = (usage.processes as { instance: string }[]).map(({ instance }) => instance);
    expect(names.sort()).toEqual(['gateway', 'querier', 'writer']);
    expect(usage.tenants).toContainEqual(expect.objectContaining({ tenant: 'busy', streams: 1 }));
    const busy = usage.tenants.find((each) => (each as { tenant: string }).tenant === 'busy');
    expect((busy as { bytesRate: number }).bytesRate).toBeGreaterThan(0);
    expect(usage.partitions).toMatchObject([{ partition: 0, leader: 'writer' }]);
  }
});

test('a killed querier delays a query, and another one answers it', async () => {
  await push('lost', ['line']);
  await querier.stop('SIGKILL');
  const answer = query('{app="lost"}');
  await querier.start();
  expect(await answer).toEqual(['line']);
});

test('a killed writer has lost nothing that was acknowledged', async () => {
  await push('killed', ['acknowledged']);
  await writer.stop('SIGKILL');
  expect((await push('killed', ['not taken'])).status).toBe(503);
  await writer.start();
  await eventually(async () => (await push('killed', ['taken again'])).status === 204);
  expect(await query('{app="killed"}')).toEqual(expect.arrayContaining(['acknowledged', 'taken again']));
});

test('processes end by themselves when they are told to', async () => {
  await push('ended', ['flushed at the end']);
  expect(await gateway.stop()).toBe(0);
  expect(await querier.stop()).toBe(0);
  expect(await writer.stop()).toBe(0);
});
