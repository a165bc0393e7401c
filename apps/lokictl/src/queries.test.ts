/**
 * Protects people at a terminal: what they ask for is what the server has, and an export that breaks off
 * loses nothing.
 */
import type http from 'node:http';
import { TestPeer } from './test/lokictl.ts';

let server: TestPeer;
let asked: { url: string; tenant: string | undefined }[];
let answer: (response: http.ServerResponse, url: URL) => void;

beforeEach(async () => {
  asked = [];
  server = await TestPeer.start((request, response) => {
    asked.push({ url: request.url!, tenant: request.headers['x-scope-orgid'] as string | undefined });
    answer(response, new URL(request.url!, 'http://a'));
  });
});
afterEach(() => server.stop());

const lokictl = (...words: string[]) => server.lokictl(...words);

const json = (body: unknown) => (response: http.ServerResponse) => void response.end(JSON.stringify(body));

test('lines of all streams, in order of time, of the tenant', async () => {
  answer = json({
    warnings: ['cut'],
    data: {
      resultType: 'streams',
      result: [
        {
          stream: { app: 'a' },
          values: [
            ['1700000000000000003', 'three'],
            ['1700000000000000001', 'one'],
          ],
        },
        { stream: { app: 'b' }, values: [['1700000000000000002', 'two']] },
      ],
    },
  });
  const { code, out, err } = await lokictl('query', '--tenant', 'acme', '--limit=5', '{app=~".+"}');
  expect(code).toBe(0);
  expect(out).toBe(
    '2023-11-14T22:13:20.000000003Z {app="a"} three\n' +
      '2023-11-14T22:13:20.000000002Z {app="b"} two\n' +
      '2023-11-14T22:13:20.000000001Z {app="a"} one\n',
  );
  expect(err).toBe('warning: cut\n');
  expect(asked).toEqual([
    { url: '/loki/api/v1/query_range?limit=5&query=%7Bapp%3D%7E%22.%2B%22%7D', tenant: 'acme' },
  ]);
});

test('samples of an instant query', async () => {
  answer = json({
    data: { resultType: 'vector', result: [{ metric: { app: 'a' }, value: [1_700_000_000, '3'] }] },
  });
  const { out } = await lokictl('query', '--time', '1700000000', 'sum(rate({a="b"}[1m]))');
  expect(out).toBe('2023-11-14T22:13:20.000Z {app="a"} 3\n');
  expect(asked[0].url).toMatch(/^\/loki\/api\/v1\/query\?time=1700000000&query=/);
});

test('names and values of labels', async () => {
  answer = json({ status: 'success', data: ['a', 'b'] });
  expect((await lokictl('labels')).out).toBe('a\nb\n');
  await lokictl('labels', 'a/b', '--query', '{x="y"}');
  expect(asked[1].url).toBe('/loki/api/v1/label/a%2Fb/values?query=%7Bx%3D%22y%22%7D');
  answer = json({ status: 'success' });
  expect(await lokictl('labels')).toEqual({ code: 0, out: '', err: '' });
});

test("a refusal prints the server's reason", async () => {
  answer = (response) => void response.writeHead(400).end('parse error\n');
  for (const verb of ['query', 'export', 'explain']) {
    const { code, err } = await lokictl(verb, '{');
    expect(code).toBe(1);
    expect(err).toContain('400 parse error');
  }
});

test('a plan with its costs', async () => {
  const leaf = {
    selected: { streams: 2 },
    segments: 3,
    blocks: {
      total: 9,
      outOfTime: 1,
      ofOtherStreams: 1,
      ruledOutByFilter: 1,
      answeredByDirectory: 3,
      toRead: 3,
    },
    lines: 1000,
    lineBytes: 2_000_000,
    storedBytes: 300_000,
    seconds: 0.5,
  };
  const plan = { operation: 'max', query: 'max(q)', inputs: [{ operation: 'rate', query: 'q', leaf: 0 }] };
  answer = json({ data: { plan, leaves: [leaf], estimate: { seconds: 0.5, cpuSeconds: 1 } } });
  const { out } = await lokictl('explain', 'max(q)');
  expect(out).toContain('max  max(q)\n  rate [leaf 0]  q\n');
  expect(out).toContain('blocks: 9; not in time 1, of other streams 1, ruled out by search filters 1, ');
  expect(out).toContain('answered from the index 3, to read 3');
  expect(out).toContain('reads 1000 lines, 2.0 MB of them, 300.0 KB stored');
});

test('an export that breaks off goes on from its cursor, each line once', async () => {
  answer = (response, { searchParams }) => {
    const cursor = searchParams.get('cursor');
    if (cursor === null) {
      response.write('{"line":"1"}\n{"line":"2"}\n{"cursor":"c1"}\n{"line":"3"}\n{"li');
      setTimeout(() => response.destroy(), 50);
    } else if (cursor === 'c1') {
      response.write('{"line":"3"}\n{"cursor":"c2"}\n{"cursor":"c2","done":false,"error":"stopping"}\n');
      setTimeout(() => response.destroy(), 50);
    } else response.end('{"line":"4"}\n{"cursor":"c3"}\n{"cursor":"c3","done":true,"entries":1}\n');
  };
  const { code, out, err } = await lokictl('export', '{app="a"}');
  expect(code).toBe(0);
  expect(out).toBe('{"line":"1"}\n{"line":"2"}\n{"line":"3"}\n{"line":"4"}\n');
  expect(err).toMatch(/4 lines; cursor c3\n$/);
  expect(asked).toHaveLength(3);
});

test('an export that never gets on ends with what it has', async () => {
  answer = (response, { searchParams }) => {
    response.write('{"line":"1"}\n');
    if (searchParams.get('cursor') === null) response.write('{"cursor":"c1"}\n{"line":"2"}\n');
    setTimeout(() => response.destroy(), 5);
  };
  const { code, out, err } = await lokictl('export', '{app="a"}');
  expect([code, out]).toEqual([1, '{"line":"1"}\n']);
  expect(err).toContain('1 lines; cursor c1');
  expect(asked).toHaveLength(10);
  // Long enough for a server to restart, but bounded.
  const waitedMs = server.pauses.reduce((sum, ms) => sum + ms, 0);
  expect(waitedMs).toBeGreaterThan(30_000);
  expect(waitedMs).toBeLessThan(60_000);
});

test('an export waits while the server restarts; what it refuses, and nobody at all, ends it at once', async () => {
  answer = (response) => {
    if (asked.length === 1) {
      response.write('{"line":"1"}\n{"cursor":"c1"}\n');
      setTimeout(() => response.destroy(), 5);
    } else if (asked.length < 4) response.writeHead(503).end('Application is stopping\n');
    else response.end('{"line":"2"}\n{"cursor":"c2"}\n{"cursor":"c2","done":true,"entries":1}\n');
  };
  const { code, out, err } = await lokictl('export', '{app="a"}');
  expect([code, out]).toEqual([0, '{"line":"1"}\n{"line":"2"}\n']);
  expect(err).toContain('503 Application is stopping; trying again');
  answer = (response) => void response.writeHead(400).end('parse error\n');
  const refused = await lokictl('export', '{app=');
  expect([refused.code, refused.out]).toEqual([1, '']);
  expect(refused.err).toContain('400 parse error');
  const pauses = server.pauses.length;
  const nobody = await lokictl('export', '--addr', 'http://127.0.0.1:9', '{app="a"}');
  expect(nobody.code).toBe(1);
  expect(server.pauses).toHaveLength(pauses);
});

test('an export that falls silent is given up after the time-out', async () => {
  answer = (response) => void response.write('{"line":"1"}\n');
  const { code, err } = await lokictl('export', '--timeout', '0.05', '{app="a"}');
  expect(code).toBe(1);
  expect(err).toContain('silent for 0.05 s; trying again');
});
