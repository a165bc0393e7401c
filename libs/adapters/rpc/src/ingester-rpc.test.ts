/** Protects queries: what an ingester in another process answers is what it would have answered here. */
import { LokiError } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import type { LeafRequest, TailFrame } from '@loki/ports';
import { eventually } from '@loki/test-tools';
import { IngesterClient, serveIngester } from './ingester-rpc.ts';
import { logLeaf, logResult, tenant, TestIngester, TestWorld, timers } from './test/rpc.ts';

let world: TestWorld;
let ingester: TestIngester;
let client: IngesterClient;

beforeEach(async () => {
  world = new TestWorld();
  ingester = new TestIngester();
  client = new IngesterClient(world.channel(await world.serve((server) => serveIngester(server, ingester))));
});
afterEach(() => world.close());

test('a log leaf and its answer arrive as they were sent', async () => {
  const answer = await client.queryHead(7, logLeaf);
  expect(ingester.asked).toEqual(logLeaf);
  expect(answer).toEqual({ committedOffset: 2 ** 40 + 7, result: logResult(2) });
});

test('a sample leaf and its answer arrive as they were sent', async () => {
  const leaf: LeafRequest = {
    kind: 'samples',
    tenant,
    expr: 'quantile_over_time(0.9,{a="b"} | unwrap x[5m])',
    shard: { index: 1, of: 4 },
    deletes: [
      { expr: '{a="b"} |= "x"', startNs: 1n, endNs: 20n },
      { expr: '{}', startNs: -(1n << 63n), endNs: 15n, except: ['{a="c"}', '{a="d"}'] },
    ],
    startNs: 10n,
    endNs: 30n,
    stepNs: 10n,
    seriesMax: 500,
  };
  const { stats } = logResult(0);
  const result = {
    kind: 'samples' as const,
    steps: 3,
    series: [
      {
        labels: [['a', 'b']] as const,
        columns: [Float64Array.of(1, NaN, 3), Float64Array.of(-0, Infinity, 6)],
      },
      {
        labels: [],
        columns: [],
        samples: { times: Float64Array.of(-5, 0, 7), values: Float64Array.of(0.1, NaN, -0) },
      },
    ],
    stats,
  };
  ingester.onQuery = async () => result;
  const answer = await client.queryHead(0, leaf);
  expect(ingester.asked).toEqual(leaf);
  expect(answer.result).toEqual(result);
});

test('streams and volumes arrive as they were sent', async () => {
  const request = { tenant, selector: '{a="b"}', startNs: 1n, endNs: 2n, volume: { stepNs: 60n } };
  ingester.volumes = [
    { labels: [['a', 'b']], entries: 1.5, lineBytes: 2 ** 40, volume: { bucket: [0, 9], bytes: [1, 2.5] } },
    { labels: [], entries: 0, lineBytes: 0 },
  ];
  expect(await client.headStreams(3, request)).toEqual({ committedOffset: 3, result: ingester.volumes });
  expect(ingester.asked).toEqual(request);
  const { volume: _, ...plain } = request;
  await client.headStreams(3, plain);
  expect(ingester.asked).toEqual(plain);
});

test('bounds of heads arrive as they were sent', async () => {
  expect(await client.headBounds([0, 7], tenant)).toEqual([
    { partition: 0, committedOffset: 2 ** 40, oldestNs: undefined },
    { partition: 7, committedOffset: 2 ** 40 + 7, oldestNs: 7n * 10n ** 18n },
  ]);
});

test('news of the catalog arrive as they were sent, both ways', async () => {
  const numbers = {
    partitions: new Map([
      [0, 0],
      [7, 2 ** 40],
    ]),
    shared: { compactions: 2 ** 35, deletes: 3, layout: 0 },
  };
  const news = await client.catalogNews(numbers);
  expect(ingester.known).toEqual(numbers);
  expect(news).toEqual({
    partitions: [
      { partition: 7, number: 2 ** 40, isLeader: true, manifests: [Buffer.from('one'), Buffer.alloc(0)] },
    ],
    shared: { compactions: 1, deletes: 0, layout: 2 ** 33 },
  });
});

test('partitions and flush reach the ingester', async () => {
  expect(await client.partitions()).toEqual([0, 3, 70_000]);
  await client.flush();
  expect(ingester.flushes).toBe(1);
});

test('an answer larger than any message arrives whole', async () => {
  const big = logResult(30_000, 1000);
  ingester.onQuery = async () => big;
  const { result } = await client.queryHead(0, logLeaf);
  if (result.kind !== 'log') throw new Error('not a log');
  expect(Buffer.compare(result.lines, big.lines)).toBe(0);
  expect(result.timestampNs).toEqual(big.timestampNs);
});

test.each<[ErrorCode, string]>([
  ['badRequest', 'parse error at line 1, col 1: syntax error: unexpected "{" – ünï'],
  ['tooManyRequests', 'max concurrent tail requests limit exceeded'],
  ['unavailable', 'partition 3 is not owned by this ingester'],
  ['corrupt', 'block 3: checksum'],
])('a failure keeps its code and text: %s', async (code, text) => {
  ingester.onQuery = () => Promise.reject(new LokiError(code, text));
  await expect(client.queryHead(3, logLeaf)).rejects.toMatchObject({ code, message: text });
});

test('a failure that nobody foresaw says nothing of itself', async () => {
  ingester.onQuery = () => Promise.reject(new Error('the password is …'));
  await expect(client.queryHead(0, logLeaf)).rejects.toMatchObject({
    code: 'internal',
    message: 'internal error',
  });
});

test('giving up travels to the ingester, and the caller gets its own reason', async () => {
  ingester.onQuery = () => new Promise(() => {});
  const giveUp = new AbortController();
  const reason = new LokiError('timeout', 'took too long');
  const answer = client.queryHead(0, logLeaf, giveUp.signal);
  await eventually(() => ingester.signal !== undefined);
  giveUp.abort(reason);
  await expect(answer).rejects.toBe(reason);
  await eventually(() => ingester.signal!.aborted);
});

test('a call that passes its deadline ends on both sides, as an owner that did not answer', async () => {
  const signals: AbortSignal[] = [];
  ingester.onQuery = (signal) => {
    signals.push(signal);
    return new Promise(() => {});
  };
  const channel = world.channel(await world.serve((server) => serveIngester(server, ingester)));
  const impatient = new IngesterClient(channel, { headDeadlineMs: 100 });
  // On a slow machine the deadline may pass before a call reaches the ingester: another one will.
  await eventually(async () => {
    await expect(impatient.queryHead(0, logLeaf)).rejects.toMatchObject({ code: 'unavailable' });
    return signals.length > 0;
  });
  // The ingester sees the end after its caller.
  await eventually(() => signals.some(({ aborted }) => aborted));
});

test('an ingester that dies in the middle of a call is unavailable', async () => {
  ingester.onQuery = () => new Promise(() => {});
  const answer = client.queryHead(0, logLeaf);
  answer.catch(() => undefined);
  await eventually(() => ingester.signal !== undefined);
  await world.kill();
  await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
  await expect(client.partitions()).rejects.toMatchObject({ code: 'unavailable' });
});

test('a tail brings frames as they come, and ends with its reader', async () => {
  const frame: TailFrame = { result: logResult(1), dropped: 3 };
  ingester.onTail = async function* (signal) {
    yield frame;
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  };
  const stop = new AbortController();
  const frames: TailFrame[] = [];
  for await (const each of client.tail(0, logLeaf, stop.signal)) {
    frames.push(each);
    stop.abort();
  }
  expect(frames).toEqual([frame]);
  await eventually(() => ingester.signal!.aborted);
});

test('a reader that stops listening ends the tail', async () => {
  ingester.onTail = async function* () {
    for (;;) {
      yield { result: logResult(1), dropped: 0 };
      await timers.sleep(1);
    }
  };
  for await (const _ of client.tail(0, logLeaf, new AbortController().signal)) break;
  await eventually(() => ingester.signal!.aborted);
});
