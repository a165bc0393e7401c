/**
 * Protects people who ask for the cost of a query: the answer agrees with the bytes that the query then
 * reads, and reads nothing itself.
 */
import { goQuery, sendRaw } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const lineCount = 3000;
let server: TestServer;
let firstNs: bigint;

beforeAll(async () => {
  server = await TestServer.start();
  firstNs = BigInt(Date.now() - 1_800_000) * 1_000_000n;
  await push('stored', 0);
  expect((await sendRaw(server.url, { method: 'POST', path: '/flush' })).status).toBe(204);
  await push('head', 1000);
});
afterAll(() => server.dispose());

/** Two streams, a line each millisecond. */
async function push(part: string, fromSecond: number): Promise<void> {
  const streams = ['a', 'b'].map((app) => ({
    stream: { app, part },
    values: Array.from({ length: lineCount }, (_, i) => [
      `${firstNs + BigInt(fromSecond * 1000 + i) * 1_000_000n}`,
      `{"n":${i},"word":"${i % 10 === 0 ? 'rare' : 'frequent'}"}`,
    ]),
  }));
  expect((await server.push({ streams })).status).toBe(204);
}

interface Leaf {
  readonly query: string;
  readonly selected: { readonly streams: number; readonly entries: number; readonly lineBytes: number };
  readonly segments: number;
  readonly blocks: Record<
    'total' | 'outOfTime' | 'ofOtherStreams' | 'ruledOutByFilter' | 'answeredByDirectory' | 'toRead',
    number
  >;
  readonly lines: number;
  readonly lineBytes: number;
  readonly storedBytes: number;
  readonly unflushedLines: number;
}

interface Explained {
  readonly query: string;
  readonly kind: string;
  readonly plan: unknown;
  readonly leaves: Leaf[];
  readonly estimate: Record<string, number>;
}

const range = () => ({ start: firstNs, end: firstNs + 1_500_000_000_000n, step: '60s' });

async function explain(params: Record<string, string | number | bigint>): Promise<Explained> {
  const { status, text } = await server.get(`/loki/api/v1/explain?${goQuery(params)}`);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return (JSON.parse(text) as { data: Explained }).data;
}

/** The reads of the query itself, from its statistics. */
async function summaryOf(query: string): Promise<Record<string, number>> {
  const { text } = await server.get(
    `/loki/api/v1/query_range?${goQuery({ query, ...range(), limit: 5000 })}`,
  );
  return (JSON.parse(text) as { data: { stats: { summary: Record<string, number> } } }).data.stats.summary;
}

test('lines by a filter: as many lines as the query then reads, from head and store', async () => {
  const query = '{app="a"} |= "rare"';
  const { leaves, estimate, kind, plan } = await explain({ query, ...range(), limit: 5000 });
  expect(kind).toBe('logs');
  expect(plan).toEqual({ operation: 'lines', query, leaf: 0 });
  const [leaf] = leaves;
  expect(leaf).toMatchObject({
    query,
    selected: { streams: 2, entries: 2 * lineCount },
    lines: 2 * lineCount,
    unflushedLines: lineCount,
  });
  expect(leaf.blocks.toRead).toBeGreaterThanOrEqual(2);
  expect(leaf.storedBytes).toBeGreaterThan(0);
  expect(leaf.lineBytes).toBe(leaf.selected.lineBytes);
  expect(estimate).toMatchObject({ lines: 2 * lineCount, lineBytes: leaf.lineBytes });
  expect(estimate['cpuSeconds']).toBeGreaterThan(0);
  expect((await summaryOf(query))['totalLinesProcessed']).toBe(estimate['lines']);
});

test('a plan of several operations: what runs where the data is, and what is left for the root', async () => {
  const query = 'sum by (app) (count_over_time({app=~"a|b"} | json | n>5 [1m])) / 2 > 1';
  const { plan, leaves, kind } = await explain({ query, ...range() });
  expect(kind).toBe('metric');
  expect(leaves).toHaveLength(1);
  expect(plan).toMatchObject({
    operation: '>',
    inputs: [
      { operation: '/', inputs: [{ operation: 'sum(count_over_time)', leaf: 0 }, { operation: 'literal' }] },
      { operation: 'literal' },
    ],
  });
  expect(leaves[0].lines).toBe((await summaryOf(query))['totalLinesProcessed']);
});

test('blocks that the index answers are not read', async () => {
  const query = 'sum(count_over_time({part="stored"}[1h]))';
  const { leaves, estimate } = await explain({ query, time: firstNs + 1_500_000_000_000n });
  expect(leaves[0].blocks).toMatchObject({ toRead: 0 });
  expect(leaves[0].blocks.answeredByDirectory).toBeGreaterThan(0);
  expect(estimate).toMatchObject({ storedBytes: 0, lines: 0, blocks: 0 });
});

test('blocks are ruled out by search filters, in the plan and in the query', async () => {
  const query = '{part=~"stored|head"} |= "no line has this"';
  const { leaves, estimate } = await explain({ query, ...range(), limit: 10 });
  expect(leaves[0].blocks.ruledOutByFilter).toBeGreaterThan(0);
  // Lines in memory have no filter yet.
  expect(leaves[0]).toMatchObject({ lines: 2 * lineCount, unflushedLines: 2 * lineCount });
  const { text } = await server.get(`/loki/api/v1/query_range?${goQuery({ query, ...range(), limit: 10 })}`);
  const { stats } = (JSON.parse(text) as { data: { stats: Record<string, Record<string, unknown>> } }).data;
  expect(stats['index']).toMatchObject({ usedBloomFilters: true, postFilterChunks: leaves[0].blocks.toRead });
  expect(stats['summary']['totalLinesProcessed']).toBe(estimate['lines']);
  expect(stats['summary']['totalLinesProcessed']).toBe(2 * lineCount);
});

test('blocks are ruled out by time', async () => {
  const params = {
    query: '{part="stored"}',
    start: firstNs + 10_000_000n,
    end: firstNs + 20_000_000n,
    limit: 10,
  };
  const { leaves } = await explain(params);
  const { total, ...reasons } = leaves[0].blocks;
  expect(total).toBe(Object.values(reasons).reduce((sum, count) => sum + count, 0));
  const later = {
    query: '{part="stored"}',
    start: firstNs + 900_000_000_000n,
    end: firstNs + 901_000_000_000n,
  };
  expect((await explain(later)).leaves[0]).toMatchObject({ lines: 0, selected: { streams: 0 } });
});

test.each([
  [{ query: '{a=' }, 'parse error at line 1, col 4: syntax error: unexpected $end, expecting STRING'],
  [{ query: '{app="a"}', time: 5 }, 'log queries have a range: give start and end instead of time'],
])('%j is refused', async (params, text) => {
  expect(await server.get(`/loki/api/v1/explain?${goQuery(params as Record<string, string>)}`)).toEqual({
    status: 400,
    text,
  });
});
