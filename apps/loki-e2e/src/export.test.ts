/**
 * Protects people who take all their logs elsewhere: an export from the real process goes past every limit on
 * entries, and continues from its cursor after flushes and kill -9, with every line once.
 */
import http from 'node:http';
import readline from 'node:readline';
import { goQuery, sendRaw } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const pushes = 14;
const linesOfPush = 2000;
const streamCount = 4;
let server: TestServer;
let firstNs: bigint;

beforeAll(async () => {
  server = await TestServer.start();
  firstNs = BigInt(Date.now() - 3_600_000) * 1_000_000n;
});
afterAll(() => server.dispose());

async function push(part: number): Promise<void> {
  const streams = Array.from({ length: streamCount }, (_, s) => ({
    stream: { app: 'export', s: String(s) },
    values: Array.from({ length: linesOfPush / streamCount }, (_, i) => [
      // Ten lines share a nanosecond, four streams share all of them.
      `${firstNs + BigInt(part * 1000 + Math.floor(i / 10)) * 1_000_000n}`,
      `line ${part}/${s}/${i} ${i % 100 === 0 ? 'rare' : 'frequent'}`,
      { trace: `t${i % 3}` },
    ]),
  }));
  expect((await server.push({ streams })).status).toBe(204);
}

interface Line {
  readonly timestamp?: string;
  readonly line?: string;
  readonly stream?: Record<string, string>;
  readonly structuredMetadata?: Record<string, string>;
  readonly cursor?: string;
  readonly done?: boolean;
  readonly error?: string;
}

const range = () => ({ start: firstNs, end: firstNs + 3_600_000_000_000n });

/** Lines of an export; with `linesMax` the client leaves after that number. */
function exportLines(
  params: Record<string, string | number | bigint>,
  { linesMax = Infinity, onLine = () => {} }: { linesMax?: number; onLine?: () => void } = {},
): Promise<{ lines: Line[]; isCut: boolean }> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const path = `/loki/api/v1/export?${goQuery(params)}`;
    const request = http.get({ hostname, port, path, agent: false }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`));
      const lines: Line[] = [];
      let isCut = false;
      answer.once('error', () => (isCut = true));
      const texts = readline.createInterface({ input: answer });
      texts.once('error', () => (isCut = true));
      texts.on('line', (text) => {
        onLine();
        if (lines.length < linesMax) lines.push(JSON.parse(text) as Line);
        if (lines.length >= linesMax) answer.destroy();
      });
      answer.once('close', () => resolve({ lines, isCut }));
    });
    request.once('error', reject);
  });
}

/** The lines of a cut export that a client may keep: all up to its last cursor. */
function untilCursor(lines: readonly Line[]): { kept: readonly Line[]; cursor: string } {
  const last = lines.findLastIndex(({ cursor }) => cursor !== undefined);
  return { kept: lines.slice(0, last), cursor: lines[last].cursor! };
}

const textsOf = (lines: readonly Line[]) => lines.flatMap(({ line }) => (line === undefined ? [] : [line]));

/** Every line that was pushed, once, and in order of time. */
function judge(kept: readonly Line[], direction: 'forward' | 'backward'): void {
  expect(kept.at(-1)).toMatchObject({ done: true });
  const texts = textsOf(kept);
  expect(texts).toHaveLength(pushes * linesOfPush);
  expect(new Set(texts).size).toBe(pushes * linesOfPush);
  const entry = kept.find(({ line }) => line !== undefined)!;
  expect(entry.stream).toMatchObject({ app: 'export', service_name: 'export' });
  expect(entry.structuredMetadata).toMatchObject({
    trace: expect.stringMatching(/^t[012]$/),
    detected_level: 'unknown',
  });
  const sign = direction === 'forward' ? 1n : -1n;
  const times = kept.flatMap(({ timestamp }) => (timestamp === undefined ? [] : [BigInt(timestamp)]));
  for (let i = 1; i < times.length; i++) expect(sign * (times[i] - times[i - 1])).toBeGreaterThanOrEqual(0n);
}

test('cut, flushed, killed, and still every line once', async () => {
  const params = { query: '{app="export"}', ...range() };
  await push(0);
  const first = untilCursor((await exportLines({ ...params, limit: 700 })).lines);
  for (let part = 1; part < pushes; part++) {
    await push(part);
    expect((await sendRaw(server.url, { method: 'POST', path: '/flush' })).status).toBe(204);
  }
  const second = untilCursor(
    (await exportLines({ ...params, cursor: first.cursor }, { linesMax: 9000 })).lines,
  );
  const third = untilCursor(
    (await exportLines({ ...params, cursor: second.cursor }, { linesMax: 6000 })).lines,
  );
  await server.stop('SIGKILL');
  await server.start();
  const last = await exportLines({ ...params, cursor: third.cursor });
  judge([...first.kept, ...second.kept, ...third.kept, ...last.lines], 'forward');
});

test('a backward export returns the newest lines first', async () => {
  const { lines, isCut } = await exportLines({ query: '{app="export"}', ...range(), direction: 'backward' });
  expect(isCut).toBe(false);
  judge(lines, 'backward');
});

test('filters and parsers, by POST, packed', async () => {
  const body = goQuery({ query: '{app="export"} |= "rare" | pattern `line <part>/<_>`', ...range() });
  const answer = await sendRaw(server.url, {
    method: 'POST',
    path: '/loki/api/v1/export',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'accept-encoding': 'gzip' },
    body,
  });
  expect(answer.headers).toMatchObject({
    'content-type': 'application/x-ndjson',
    'content-encoding': 'gzip',
    'transfer-encoding': 'chunked',
  });
  const lines = answer.text
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Line & { parsed?: object });
  expect(textsOf(lines)).toHaveLength((pushes * linesOfPush) / 100);
  expect(lines[0].parsed).toEqual({ part: '0' });
});

test('a server that stops ends an export with a cursor, and cuts the connection', async () => {
  let stopped: Promise<unknown> | undefined;
  const onLine = () => (stopped ??= server.stop());
  const { lines, isCut } = await exportLines({ query: '{app="export"}', ...range(), batch: 20 }, { onLine });
  await stopped;
  expect(isCut).toBe(true);
  expect(lines.at(-1)).toMatchObject({
    cursor: expect.any(String),
    done: false,
    error: 'the query frontend is stopping',
  });
});
