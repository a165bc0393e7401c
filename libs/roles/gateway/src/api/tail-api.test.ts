/**
 * Protects tails: each line once, in Loki's frames, over history and what comes in; and this process from
 * clients that are slow, many, or never leave.
 */
import type { Limits } from '@loki/config';
import { loadHash } from '@loki/model';
import type { LeafRequest, LogLeafResult, StreamVolume, TailFrame, Timers } from '@loki/ports';
import { collectGarbage, eventually } from '@loki/test-tools';
import { clock, getRequest, logResult, nowNs, tenancyOf, testFrontend } from '../test/gateway.ts';
import type { TestRow } from '../test/gateway.ts';
import { TailApi } from './tail-api.ts';
import type { TailSocket } from './tail-sender.ts';

beforeAll(loadHash);

/** Frames as they are given, and history. */
class Source {
  readonly requests: LeafRequest[] = [];
  history: TestRow[] = [];
  /** Frames that were asked for. */
  takenFrames = 0;
  readonly #frames: TailFrame[] = [frameOf([])];
  #wake: (() => void) | undefined;
  #isEnded = false;

  give(rows: readonly TestRow[], dropped = 0): void {
    this.#frames.push(frameOf(rows, dropped));
    this.#wake?.();
  }

  /** The lines of the frame; no test holds them. */
  giveWeakly(rows: readonly TestRow[]): WeakRef<Uint8Array> {
    this.give(rows);
    const { result } = this.#frames.at(-1) as { result: LogLeafResult };
    return new WeakRef(result.lines);
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async runLeaf(request: LeafRequest): Promise<LogLeafResult> {
    this.requests.push(request);
    return Promise.resolve(logResult([...this.history].reverse()));
  }

  async streams(): Promise<readonly StreamVolume[]> {
    return Promise.resolve([]);
  }

  async storedBytes(): Promise<readonly number[]> {
    return Promise.resolve([]);
  }

  async *tail(request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    this.requests.push(request);
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      if (this.#frames.length > 0) {
        this.takenFrames++;
        yield this.#frames.shift()!;
      } else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function frameOf(rows: readonly TestRow[], dropped = 0): TailFrame {
  return { result: logResult(rows), dropped };
}

/** A client; `hold` makes it take no frame until `release`. */
class Client implements TailSocket {
  readonly frames: { streams: { stream: object; values: [string, string, object?][] }[] }[] = [];
  closed: string | undefined;
  readonly #closed = new AbortController();
  readonly signal = this.#closed.signal;
  #blocker: Promise<void> | undefined;
  release: () => void = () => {};

  hold(): void {
    this.#blocker = new Promise((resolve) => (this.release = resolve));
  }

  async send(text: string): Promise<void> {
    this.frames.push(JSON.parse(text) as Client['frames'][number]);
    await this.#blocker;
  }

  close(code: number, reason: string): void {
    this.closed ??= `${code} ${reason}`;
  }

  leave(): void {
    this.#closed.abort();
  }

  get lines(): string[] {
    return this.frames.flatMap(({ streams }) =>
      streams.flatMap(({ values }) => values.map(([, line]) => line)),
    );
  }
}

/** Timers that go off when told; pauses of nothing end with the turn of the event loop. */
class Later implements Timers {
  turns = 0;
  readonly #due: { delayMs: number; run: () => void }[] = [];

  after(delayMs: number, run: () => void) {
    const timer = { delayMs, run };
    this.#due.push(timer);
    return { cancel: () => void this.#due.splice(this.#due.indexOf(timer) >>> 0, 1) };
  }

  sleep(delayMs: number): Promise<void> {
    if (delayMs === 0) {
      this.turns++;
      return new Promise((resolve) => setImmediate(resolve));
    }
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  fire(delayMs: number): void {
    for (const timer of this.#due.filter((each) => each.delayMs === delayMs)) timer.run();
  }

  get delays(): number[] {
    return this.#due.map(({ delayMs }) => delayMs);
  }
}

function row(line: string, more: Partial<TestRow> = {}): TestRow {
  return { ts: nowNs, line, stream: { app: 'a' }, ...more };
}

/** Entries that clients missed, as the metric counts them. */
let droppedCount = 0;
const queryMetrics = { tailDropped: (_tenant: string, entries: number) => void (droppedCount += entries) };
beforeEach(() => {
  droppedCount = 0;
});

function apiOf(source: Source, timers: Timers = new Later(), limits: Partial<Limits> = {}): TailApi {
  const frontend = testFrontend(source, { maxConcurrentTailRequests: 10, ...limits });
  return new TailApi({ frontend, querier: source, clock, timers, queryMetrics });
}

const query = '{app="a"}';

function open(api: TailApi, params: Record<string, string> = {}, headers = new Map<string, string>()) {
  const client = new Client();
  const request = { ...getRequest({ query, ...params }), headers };
  const ended = api.prepare(request, tenancyOf('t'))(client);
  return { client, ended };
}

test('history first, oldest first, then what comes in; what both have comes once', async () => {
  const source = new Source();
  source.history = [row('one', { ts: nowNs - 2n }), row('two', { ts: nowNs - 1n })];
  const { client } = open(apiOf(source), { limit: '7' });
  source.give([row('two', { ts: nowNs - 1n }), row('three')]);
  await eventually(() => client.lines.length >= 3);
  expect(client.lines).toEqual(['one', 'two', 'three']);
  expect(source.requests[0]).toMatchObject({ startNs: nowNs - 3_600_000_000_000n, limit: 7 });
  for (const { streams } of client.frames) for (const { values } of streams) expect(values).toHaveLength(1);
  client.leave();
});

test('a hundred entries to a frame', async () => {
  const source = new Source();
  const { client } = open(apiOf(source));
  source.give(Array.from({ length: 250 }, (_, i) => row(`line ${i}`)));
  await eventually(() => client.lines.length >= 250);
  expect(client.frames.map(({ streams }) => streams.length)).toEqual([100, 100, 50]);
  client.leave();
});

test('categories, when the client asks for them', async () => {
  const source = new Source();
  const headers = new Map([['x-loki-response-encoding-flags', 'categorize-labels']]);
  const { client } = open(apiOf(source), {}, headers);
  source.give([row('x', { metadata: { trace: 't' }, parsed: { n: '1' } })]);
  await eventually(() => client.frames.length >= 1);
  expect(client.frames[0]).toEqual({
    streams: [
      {
        stream: { app: 'a' },
        values: [[String(nowNs), 'x', { structuredMetadata: { trace: 't' }, parsed: { n: '1' } }]],
      },
    ],
    encodingFlags: ['categorize-labels'],
  });
  client.leave();
});

test('without categories, parsed labels and metadata belong to the stream; the parsed value stands where both have one', async () => {
  const source = new Source();
  const entry = row('x', {
    metadata: { n: '0', trace: 't' },
    parsed: { __error__: 'LogfmtParserErr', n: '1' },
  });
  source.history = [{ ...entry, ts: nowNs - 1n }];
  const { client } = open(apiOf(source), { query: `${query} | logfmt` });
  source.give([entry]);
  await eventually(() => client.frames.length >= 2);
  const stream = { __error__: 'LogfmtParserErr', app: 'a', n: '1', trace: 't' };
  expect(client.frames).toEqual([
    { streams: [{ stream, values: [[String(nowNs - 1n), 'x']] }] },
    { streams: [{ stream, values: [[String(nowNs), 'x']] }] },
  ]);
  client.leave();
});

test("a selector alone passes lines on under the stream's own labels; its history has the metadata, as a query has", async () => {
  const source = new Source();
  const entry = row('x', { metadata: { trace: 't' } });
  source.history = [{ ...entry, ts: nowNs - 1n }];
  const { client } = open(apiOf(source));
  source.give([entry]);
  await eventually(() => client.frames.length >= 2);
  const streams = client.frames.map((frame) => frame.streams[0].stream);
  expect(streams).toEqual([{ app: 'a', trace: 't' }, { app: 'a' }]);
  client.leave();
});

test('a client that takes nothing has one frame made for it, and hears what was dropped', async () => {
  const source = new Source();
  const { client } = open(apiOf(source));
  await eventually(() => source.takenFrames >= 1);
  client.hold();
  source.give([row('first')]);
  await eventually(() => client.frames.length >= 1);
  const { takenFrames } = source;
  source.give([row('later')], 25);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(source.takenFrames).toBe(takenFrames);
  client.release();
  await eventually(() => client.lines.length >= 2);
  const dropped = { timestamp: String(nowNs), labels: {} };
  expect(client.frames[1]).toMatchObject({ dropped_entries: Array(10).fill(dropped) });
  client.leave();
});

test('messages are cut by their size, too', async () => {
  const source = new Source();
  const { client } = open(apiOf(source));
  source.give(Array.from({ length: 6 }, () => row('x'.repeat(100_000))));
  await eventually(() => client.lines.length >= 6);
  expect(client.frames.map(({ streams }) => streams.length)).toEqual([2, 2, 2]);
  client.leave();
});

// The system takes megabytes at once: messages of ten tails held the thread for a second, in one turn.
test('each message has a turn of the event loop', async () => {
  const source = new Source();
  const timers = new Later();
  const { client } = open(apiOf(source, timers));
  source.give(Array.from({ length: 1_000 }, (_, i) => row(`line ${i}`)));
  await eventually(() => client.lines.length >= 1_000);
  expect(client.frames).toHaveLength(10);
  expect(timers.turns).toBeGreaterThanOrEqual(10);
  client.leave();
});

test('a client that stands still holds one message: the rest of its rows is let go, and told', async () => {
  const source = new Source();
  const timers = new Later();
  const { client } = open(apiOf(source, timers));
  await eventually(() => source.takenFrames >= 1);
  client.hold();
  const lines = source.giveWeakly(Array.from({ length: 250 }, (_, i) => row(`line ${i}`)));
  await eventually(() => client.frames.length >= 1);
  await eventually(() => timers.delays.includes(1_000));
  const isHeld = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    return lines.deref() !== undefined;
  };
  expect(await isHeld()).toBe(true);
  timers.fire(1_000);
  expect(await isHeld()).toBe(false);
  client.release();
  await eventually(() => client.frames.length >= 2);
  expect(client.lines).toHaveLength(100);
  const dropped = { timestamp: String(nowNs), labels: {} };
  expect(client.frames[1]).toEqual({ streams: [], dropped_entries: Array(10).fill(dropped) });
  expect(droppedCount).toBe(150);
  source.give([row('and on')]);
  await eventually(() => client.lines.at(-1) === 'and on');
  client.leave();
});

test('dropped entries are told even when nothing is left to send', async () => {
  const source = new Source();
  const { client } = open(apiOf(source));
  source.give([], 2);
  await eventually(() => client.frames.length >= 1);
  const dropped = { timestamp: String(nowNs), labels: {} };
  expect(client.frames[0]).toEqual({ streams: [], dropped_entries: [dropped, dropped] });
  expect(droppedCount).toBe(2);
  client.leave();
});

test('entries are held back for as long as the client asks', async () => {
  const source = new Source();
  const timers = new Later();
  const { client } = open(apiOf(source, timers), { delay_for: '3' });
  source.give([row('late')]);
  await eventually(() => timers.delays.includes(3000));
  expect(client.lines).toEqual([]);
  timers.fire(3000);
  await eventually(() => client.lines.length >= 1);
  client.leave();
});

test('one more than the limit is closed with the reason; who leaves makes room', async () => {
  const source = new Source();
  const api = apiOf(source, new Later(), { maxConcurrentTailRequests: 2 });
  const first = open(api);
  open(api);
  const third = open(api);
  await third.ended;
  expect(third.client.closed).toBe('1011 max concurrent tail requests limit exceeded, count > limit (3 > 2)');
  first.client.leave();
  await first.ended;
  expect(first.client.closed).toBeUndefined();
  const fourth = open(api);
  source.give([row('x')]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(fourth.client.closed).toBeUndefined();
});

test('a tail lasts as long as the operator lets it', async () => {
  const source = new Source();
  const timers = new Later();
  const frontend = testFrontend(source, { maxConcurrentTailRequests: 10 });
  const api = new TailApi({ frontend, querier: source, clock, timers, tailMaxDurationMs: 90_000 });
  const { client, ended } = open(api);
  await eventually(() => timers.delays.includes(90_000));
  timers.fire(90_000);
  await ended;
  expect(client.closed).toBe('1011 reached tail max duration limit');
});

test('the end of the hour, and of the ingesters, are told', async () => {
  const source = new Source();
  const timers = new Later();
  const api = apiOf(source, timers);
  const { client, ended } = open(api);
  await eventually(() => timers.delays.includes(3_600_000));
  timers.fire(3_600_000);
  await ended;
  expect(client.closed).toBe('1011 reached tail max duration limit');
  const other = open(api);
  source.end();
  await other.ended;
  expect(other.client.closed).toBe('1011 all ingesters closed the connection');
});

test.each([
  [{ delay_for: '6' }, "delay_for can't be greater than 5"],
  [
    { limit: '6000' },
    'max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)',
  ],
  [{ limit: '0' }, 'limit must be a positive value'],
])('%j is refused before the upgrade', (params, text) => {
  expect(() => open(apiOf(new Source()), params as Record<string, string>)).toThrow(text);
});

test('a metric query is closed with the reason, several tenants are refused', async () => {
  const { client, ended } = open(apiOf(new Source()), { query: 'rate({app="a"}[1m])' });
  await ended;
  expect(client.closed).toBe('1011 only log selector is supported');
  const prepare = () => apiOf(new Source()).prepare(getRequest({ query }), tenancyOf('a', 'b'));
  expect(prepare).toThrow('multiple org IDs present');
});
