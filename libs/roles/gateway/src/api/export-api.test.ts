/**
 * Protects people who take their logs elsewhere: an export brings every entry once, across interruptions,
 * pushes during the export, and many entries of one nanosecond.
 */
import fc from 'fast-check';
import { LokiError } from '@loki/model';
import type { HttpResponse, LeafRequest, LogLeafResult, StreamVolume, TailFrame } from '@loki/ports';
import { clock, getRequest, logResult, tenancyOf, testFrontend } from '../test/gateway.ts';
import type { TestRow } from '../test/gateway.ts';
import { ExportApi } from './export-api.ts';
import { printCursor } from './export-cursor.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const baseNs = 1_700_000_000_000_000_000n;

/** A store of rows that honours range, limit, direction and shard. Streams are called by their number. */
class Store {
  rows: TestRow[] = [];
  readonly requests: LeafRequest[] = [];
  fail: (() => void) | undefined;

  async runLeaf(request: LeafRequest): Promise<LogLeafResult> {
    this.requests.push(request);
    this.fail?.();
    if (request.kind !== 'log') throw new Error('asked for samples');
    const { startNs, endNs, direction, limit, shard } = request;
    const sign = direction === 'forward' ? 1 : -1;
    const matches = this.rows
      .filter(({ ts }) => ts >= startNs && ts < endNs)
      .filter(({ stream }) => !shard || Number(stream['s']) % shard.of === shard.index)
      .sort((a, b) => sign * Number(a.ts - b.ts))
      .slice(0, limit);
    return Promise.resolve(logResult(matches));
  }

  async streams(): Promise<readonly StreamVolume[]> {
    return Promise.resolve([]);
  }

  async storedBytes(): Promise<readonly number[]> {
    return Promise.resolve([]);
  }

  async *tail(): AsyncIterable<TailFrame> {}
}

function apiOf(store: Store): ExportApi {
  return new ExportApi({ frontend: testFrontend(store), clock, logger });
}

interface Line {
  readonly timestamp?: string;
  readonly line?: string;
  readonly stream?: Record<string, string>;
  readonly cursor?: string;
  readonly done?: boolean;
  readonly entries?: number;
  readonly error?: string;
}

/** Lines of an answer; `linesMax` cuts it there, as a client does that goes away. */
async function linesOf(answer: HttpResponse, linesMax = Infinity): Promise<Line[]> {
  const lines: Line[] = [];
  try {
    for await (const piece of answer.stream!) {
      for (const text of String(piece).trimEnd().split('\n')) lines.push(JSON.parse(text) as Line);
      if (lines.length >= linesMax) return lines.slice(0, linesMax);
    }
  } catch (error) {
    if (!(error instanceof LokiError)) throw error;
  }
  return lines;
}

const query = '{s=~".+"}';
const range = { start: String(baseNs), end: String(baseNs + 10_000n) };

function rowsOf(places: readonly (readonly [ts: number, stream: number])[]): TestRow[] {
  return places.map(([ts, s], i) => ({
    ts: baseNs + BigInt(ts),
    line: `line ${i}`,
    stream: { s: String(s) },
  }));
}

const textsOf = (lines: readonly Line[]) => lines.flatMap(({ line }) => (line === undefined ? [] : [line]));

test('a whole export: entries in order, cursors between them, an end', async () => {
  const store = new Store();
  store.rows = rowsOf(Array.from({ length: 700 }, (_, i) => [i % 300, i % 5]));
  const lines = await linesOf(apiOf(store).start(getRequest({ query, ...range }), tenancyOf('a')));
  const times = lines.flatMap(({ timestamp }) => (timestamp === undefined ? [] : [BigInt(timestamp)]));
  expect(times).toHaveLength(700);
  expect(times).toEqual([...times].sort((a, b) => Number(a - b)));
  expect(lines[0]).toEqual({ timestamp: String(baseNs), line: 'line 0', stream: { s: '0' } });
  expect(lines.at(-1)).toMatchObject({ done: true, entries: 700 });
  expect(
    lines.filter(({ cursor, done }) => cursor !== undefined && done === undefined).length,
  ).toBeGreaterThan(1);
});

test('cut anywhere and gone on with, nothing is missing and nothing comes twice', async () => {
  const place = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 40 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(place, { maxLength: 900 }),
      fc.constantFrom('forward', 'backward'),
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 6 }),
      fc.integer({ min: 2, max: 200 }),
      async (places, direction, cuts, batch) => {
        const store = new Store();
        store.rows = rowsOf(places);
        const api = apiOf(store);
        const received: Line[] = [];
        let cursor = '';
        for (const linesMax of [...cuts, Infinity]) {
          const params = { query, ...range, direction, batch: String(batch), ...(cursor ? { cursor } : {}) };
          const lines = await linesOf(api.start(getRequest(params), tenancyOf('a')), linesMax);
          const last = lines.findLastIndex((line) => line.cursor !== undefined);
          if (last < 0) continue;
          received.push(...lines.slice(0, last));
          cursor = lines[last].cursor!;
        }
        expect(textsOf(received).sort()).toEqual(store.rows.map(({ line }) => line).sort());
      },
    ),
    { numRuns: 60 },
  );
});

test('what comes in ahead of the cursor is there, what comes in behind it changes nothing', async () => {
  const store = new Store();
  store.rows = rowsOf(Array.from({ length: 400 }, (_, i) => [i, 0]));
  const api = apiOf(store);
  const first = await linesOf(api.start(getRequest({ query, ...range }), tenancyOf('a')), 200);
  const last = first.findLastIndex(({ cursor }) => cursor !== undefined);
  const behind = { ts: baseNs, line: 'late', stream: { s: '0' } };
  const ahead = { ts: baseNs + 399n, line: 'new', stream: { s: '0' } };
  store.rows = [behind, ...store.rows, ahead];
  const remaining = await linesOf(
    api.start(getRequest({ query, ...range, cursor: first[last].cursor! }), tenancyOf('a')),
  );
  const all = textsOf([...first.slice(0, last), ...remaining]);
  expect(all).toHaveLength(401);
  expect(new Set(all).size).toBe(401);
  expect(all).toContain('new');
  expect(all).not.toContain('late');
});

test('more entries at one nanosecond than a leaf may bring are asked for by shards', async () => {
  const store = new Store();
  store.rows = rowsOf([...Array.from({ length: 40_000 }, (_, i) => [7, i] as const), [8, 1], [3, 1]]);
  const lines = await linesOf(apiOf(store).start(getRequest({ query, ...range }), tenancyOf('a')));
  expect(lines.at(-1)).toMatchObject({ done: true, entries: 40_002 });
  expect(new Set(textsOf(lines)).size).toBe(40_002);
  for (const request of store.requests) {
    if (request.kind === 'log') expect(request.limit).toBeLessThanOrEqual(16_384);
  }
});

test('a limit ends it with a cursor, from which the rest follows', async () => {
  const store = new Store();
  store.rows = rowsOf(Array.from({ length: 100 }, (_, i) => [i, 0]));
  const api = apiOf(store);
  const first = await linesOf(api.start(getRequest({ query, ...range, limit: '30' }), tenancyOf('a')));
  expect(textsOf(first)).toHaveLength(30);
  expect(first.at(-1)).toMatchObject({ done: false, entries: 30 });
  const { cursor } = first.at(-1)!;
  const remaining = await linesOf(api.start(getRequest({ query, cursor: cursor! }), tenancyOf('a')));
  expect(textsOf(remaining)).toHaveLength(70);
  expect(remaining.at(-1)).toMatchObject({ done: true });
});

test('a failure on the way is told, with a cursor to go on from', async () => {
  const store = new Store();
  store.rows = rowsOf(Array.from({ length: 1000 }, (_, i) => [i, 0]));
  store.fail = () => {
    if (store.requests.length > 3) throw new LokiError('unavailable', 'no owner');
  };
  const api = apiOf(store);
  const first = await linesOf(api.start(getRequest({ query, ...range }), tenancyOf('a')));
  const end = first.at(-1)!;
  expect(end).toMatchObject({ done: false, error: 'no owner' });
  store.fail = undefined;
  const remaining = await linesOf(api.start(getRequest({ query, cursor: end.cursor! }), tenancyOf('a')));
  expect(new Set(textsOf([...first, ...remaining])).size).toBe(1000);
  expect(textsOf([...first, ...remaining])).toHaveLength(1000);
});

test('leaves that take too long are made smaller', async () => {
  const store = new Store();
  store.rows = rowsOf([
    [1, 0],
    [2, 0],
  ]);
  store.fail = () => {
    const last = store.requests.at(-1)!;
    if (last.endNs - last.startNs > 60_000_000_000n) throw new LokiError('timeout', 'too long');
  };
  const params = { query, start: String(baseNs - 3_600_000_000_000n), end: String(baseNs + 10n) };
  const lines = await linesOf(apiOf(store).start(getRequest(params), tenancyOf('a')));
  expect(lines.at(-1)).toMatchObject({ done: true, entries: 2 });
});

test('lines that are suddenly long are asked for a few at a time', async () => {
  const store = new Store();
  const long = 'x'.repeat(1000);
  store.rows = rowsOf(Array.from({ length: 600 }, (_, i) => [Math.floor(i / 3), i])).map((row, i) =>
    i < 300 ? row : { ...row, line: `${long} ${i}` },
  );
  const read = store.runLeaf.bind(store);
  let largest = 0;
  store.runLeaf = async (request) => {
    const rows = await read(request);
    if (rows.lines.length > 20_000) throw new LokiError('badRequest', 'the query needs too much memory');
    largest = Math.max(largest, rows.lines.length);
    return rows;
  };
  const lines = await linesOf(apiOf(store).start(getRequest({ query, ...range }), tenancyOf('a')));
  expect(lines.at(-1)).toMatchObject({ done: true, entries: 600 });
  expect(new Set(textsOf(lines)).size).toBe(600);
  expect(largest).toBeGreaterThan(0);
});

test('several tenants at once', async () => {
  const store = new Store();
  store.rows = rowsOf([[1, 0]]);
  const lines = await linesOf(apiOf(store).start(getRequest({ query, ...range }), tenancyOf('a', 'b')));
  const tenants = lines.flatMap(({ stream }) => (stream ? [stream['__tenant_id__']] : []));
  expect(tenants.sort()).toEqual(['a', 'b']);
});

test('a stop ends running exports with a cursor', async () => {
  const store = new Store();
  store.rows = rowsOf(Array.from({ length: 5000 }, (_, i) => [i, 0]));
  const api = apiOf(store);
  const answer = api.start(getRequest({ query, ...range }), tenancyOf('a'));
  const reading = linesOf(answer);
  api.stop();
  expect((await reading).at(-1)).toMatchObject({ done: false, error: 'the query frontend is stopping' });
});

test.each([
  ['rate({a="b"}[1m])', {}, 'only log queries can be exported'],
  ['{a="b"', {}, 'parse error at line 1, col 7: syntax error: unexpected $end, expecting } or ,'],
  [query, { cursor: 'x' }, 'invalid cursor "x"'],
  [query, { cursor: '1-f-9999999999999999999-1-00000000' }, 'the cursor belongs to another query'],
  [
    query,
    { cursor: printCursor('{a="b"}', { startNs: 0n, endNs: 1n, direction: 'forward' }) },
    'the cursor belongs to another query',
  ],
  [query, { start: '5', end: '4' }, 'end timestamp must not be before or equal to start time'],
])('%s with %j is refused', (text, params, message) => {
  const start = () => apiOf(new Store()).start(getRequest({ query: text, ...params }), tenancyOf('a'));
  expect(start).toThrow(message);
});

test('one tenant runs a few at a time; who leaves makes room', async () => {
  const api = apiOf(new Store());
  const start = () => api.start(getRequest({ query, ...range }), tenancyOf('a'));
  const answers = Array.from({ length: 8 }, start);
  expect(start).toThrow('too many exports at a time (limit: 8)');
  api.start(getRequest({ query, ...range }), tenancyOf('b'));
  await linesOf(answers[0]);
  expect(start).not.toThrow();
});
