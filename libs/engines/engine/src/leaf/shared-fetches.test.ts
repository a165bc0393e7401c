/**
 * Protects a store that is far away, and the users who wait for it: the panels of a dashboard read each
 * footer and column once between them, and a volume reads the metadata of all its blocks together.
 */
import { createHash } from 'node:crypto';
import type { LeafRequest, ObjectStore, WorkerEnv } from '@loki/ports';
import { segmentOf, runLeaf, tenant } from '../test/blocks.ts';
import { volumeTask } from './volume-task.ts';

const second = 1_000_000_000n;
const blocks = 60;
const rowsPerBlock = 40;
const endNs = second * BigInt(10 + blocks * rowsPerBlock);
const source = { kind: 'object', key: 's' } as const;

const digits = (i: number) => createHash('sha512').update(`${i}`).digest('hex');

/** A store in which one round trip takes a turn: counts requests, and the trips of the longest chain. */
function distantStore(): {
  env: () => WorkerEnv;
  counts: { requests: number; trips: number; fails: boolean };
} {
  const rows = Array.from({ length: blocks * rowsPerBlock }, (_, i) => ({
    labels: { app: 'a' },
    ts: second * BigInt(1 + i),
    line: `level=${i % 3 === 0 ? 'error' : 'info'} ${digits(i).repeat(2)}`,
    metadata: { trace: digits(-1 - i) },
  }));
  const bytes = segmentOf(rows, 270 * rowsPerBlock);
  const counts = { requests: 0, trips: 0, fails: false };
  async function trip(from: number, to: number): Promise<Buffer> {
    counts.requests++;
    const number = counts.trips + 1;
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    counts.trips = Math.max(counts.trips, number);
    if (counts.fails) throw new Error('the store is away');
    return Buffer.from(bytes.subarray(from, to));
  }
  const store = {
    getRange: (_key: string, offset: number, length: number) => trip(offset, offset + length),
    getTail: async (_key: string, length: number) => ({
      bytes: await trip(Math.max(0, bytes.length - length), bytes.length),
      sizeBytes: bytes.length,
    }),
  } as unknown as ObjectStore;
  return { env: () => ({ objectStore: store, cache: new Map(), cacheBytesMax: 1 << 26 }), counts };
}

const samples = (expr: string): LeafRequest => ({
  kind: 'samples',
  tenant,
  expr,
  startNs: 100n * second,
  endNs,
  stepNs: 100n * second,
  seriesMax: 0,
});
const lines = (expr: string): LeafRequest => ({
  kind: 'log',
  tenant,
  expr,
  startNs: 0n,
  endNs,
  direction: 'backward',
  limit: 50,
});

async function requestsFor(requests: readonly LeafRequest[]): Promise<number> {
  const { env, counts } = distantStore();
  const worker = env();
  await Promise.all(requests.map((request) => runLeaf(request, [source], worker)));
  return counts.requests;
}

test.each([
  ['a count', samples('sum by (app) (count_over_time({app="a"} | trace!="" [30s]))')],
  ['a filtered count', samples('sum(count_over_time({app="a"} |= "error" [30s]))')],
  ['a needle', lines(`{app="a"} |= "${digits(777)}"`)],
  ['newest lines', lines('{app="a"}')],
])('six panels with %s ask the store as often as one', async (_name, request) => {
  const once = await requestsFor([request]);
  expect(once).toBeGreaterThan(1);
  expect(await requestsFor(Array.from({ length: 6 }, () => request))).toBe(once);
});

test('a failed read fails all who wait for it, and the next query reads again', async () => {
  const { env, counts } = distantStore();
  const worker = env();
  const ask = () => runLeaf(samples('sum(count_over_time({app="a"} |= "error" [30s]))'), [source], worker);
  await ask();
  worker.cache.clear();
  counts.fails = true;
  const outcomes = await Promise.allSettled([ask(), ask(), ask()]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  counts.fails = false;
  const result = await ask();
  expect(result.stats.linesMatched).toBeGreaterThan(0);
});

test('a volume reads the metadata of its blocks in a few trips', async () => {
  const { env, counts } = distantStore();
  const request = { tenant, selector: '', startNs: 0n, endNs, volume: { stepNs: 0n } };
  const [{ volume }] = await volumeTask.run({ request, sources: [source] }, env());
  expect(volume!.bytes[0]).toBeGreaterThan(blocks * rowsPerBlock * 250);
  expect(counts.trips).toBeLessThanOrEqual(3);
});
