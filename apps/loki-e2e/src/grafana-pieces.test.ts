/**
 * Protects people with Grafana behind a path, and those who ask for more than a day: the data source joins
 * its URL with the path, cuts queries into pieces, and says with each piece what the whole is.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { goQuery, sendRaw } from './test/raw-client.ts';
import type { RawAnswer } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-grafana-pieces-'));
const tenant = 'whizard-logs-ks';
const stepMs = 60_000;
const hourMs = 60 * stepMs;
/** On a multiple of every step used here. */
const firstMs = Math.floor((Date.now() - 3 * hourMs) / hourMs) * hourMs;
const lineCount = 240;
let server: TestServer;

beforeAll(async () => {
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: true
server: {http_path_prefix: /behind/loki}
querier: {per_request_limits_enabled: true}
limits_config: {max_query_length: 3h}
`,
  );
  server = await TestServer.start([`-config.file=${file}`], { prefix: '/behind/loki' });
  // Two lines a minute over two hours, one of them exactly on the minute, where pieces meet.
  const values = Array.from({ length: lineCount }, (_, i) => [
    `${BigInt(firstMs + i * 30_000) * 1_000_000n}`,
    `line ${i}`,
  ]);
  const pushed = await sendRaw(server.url, {
    method: 'POST',
    path: '/behind/loki/loki/api/v1/push',
    headers: { 'Content-Type': 'application/json', 'X-Scope-OrgID': tenant },
    body: JSON.stringify({ streams: [{ stream: { app: 'a' }, values }] }),
  });
  expect(pushed.status).toBe(204);
});

afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

function ask(
  params: Readonly<Record<string, string | number | bigint>>,
  more: Readonly<Record<string, string>> = {},
  prefix = '/behind/loki',
): Promise<RawAnswer> {
  return sendRaw(server.url, {
    path: `${prefix}/loki/api/v1/query_range?${goQuery(params)}`,
    headers: { 'X-Scope-OrgID': tenant, 'User-Agent': 'Grafana/12.1.0', 'Accept-Encoding': 'gzip', ...more },
  });
}

interface Matrix {
  readonly data: { readonly result: { readonly values: readonly (readonly [number, string])[] }[] };
}

async function samples(params: Readonly<Record<string, string | number | bigint>>) {
  const answer = await ask(params);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return (JSON.parse(answer.text) as Matrix).data.result.flatMap(({ values }) => values);
}

const asNs = (ms: number) => `${ms}000000`;

test('the path in the URL of the data source is kept, and nothing is answered without it', async () => {
  const params = { query: '{app="a"}', start: asNs(firstMs), end: asNs(firstMs + hourMs), limit: 10 };
  expect((await ask(params)).status).toBe(200);
  expect((await ask(params, {}, '')).status).toBe(404);
});

test.each(['sum(count_over_time({app="a"}[60s]))', 'sum(rate({app="a"} |= "line" [300s]))'])(
  'pieces of %s, cut on multiples of the step, are the whole',
  async (query) => {
    const [startMs, endMs] = [firstMs, firstMs + 2 * hourMs];
    const params = { query, direction: 'backward', step: `${stepMs}ms` };
    const whole = await samples({ ...params, start: asNs(startMs), end: asNs(endMs) });
    expect(whole.length).toBeGreaterThanOrEqual(120);
    // Newest first; the next piece ends a step before the last one began.
    const pieces: (readonly [number, string])[] = [];
    for (let toMs = endMs; toMs >= startMs; toMs -= 31 * stepMs) {
      const fromMs = Math.max(startMs, toMs - 30 * stepMs);
      const piece = { ...params, start: asNs(fromMs), end: asNs(fromMs === toMs ? toMs + 1 : toMs) };
      pieces.unshift(...(await samples(piece)));
    }
    expect(pieces).toEqual(whole);
  },
);

test('a piece is held to the limits of the whole that it says it is of', async () => {
  const query = '{app="a"}';
  const params = { query, start: asNs(firstMs), end: asNs(firstMs + hourMs), limit: 10, step: '60000ms' };
  const partOf = (hours: number) => ({
    'X-Loki-Query-Limits-Context': JSON.stringify({
      expr: query,
      from: new Date(firstMs).toISOString(),
      to: new Date(firstMs + hours * hourMs).toISOString(),
    }),
  });
  expect((await ask(params, partOf(2))).status).toBe(200);
  const refused = await ask(params, partOf(5));
  expect([refused.status, refused.text]).toEqual([
    400,
    'the query time range exceeds the limit (query length: 5h0m0s, limit: 3h)',
  ]);
});
