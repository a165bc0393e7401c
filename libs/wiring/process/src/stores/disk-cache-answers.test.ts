/**
 * Protects answers of queries from the cache on local disk: with nothing in it, with all in it, with damaged
 * files, and with a bound that keeps little, each query has the lines and samples that it has without.
 */
import { atOnce, leafTask, unpackLeafResult } from '@loki/engine';
import { Labels, parseTenantId } from '@loki/model';
import { DiskCache, DiskCacheIndex, DiskCacheOwner, MemoryObjectStore } from '@loki/object-store';
import type { LeafRequest, Logger, ObjectStore, RangeCache, WorkerEnv } from '@loki/ports';
import { encodeSegment, mergeSegments, RowWriter } from '@loki/segment';
import { Prng, VirtualDisk, VirtualProcess, VirtualScheduler } from '@loki/virtual';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const tenant = parseTenantId('t');
const keys = ['segments/a', 'segments/b', 'compacted/c'];
const rowsPerSegment = 1_200;
const endNs = 1_000_000_000n * BigInt(1 + rowsPerSegment * keys.length);

/** Three segments of some dozen blocks each, with filters and with metadata of many values. */
async function bucket(): Promise<MemoryObjectStore> {
  const random = new Prng(3);
  const store = new MemoryObjectStore();
  for (const [at, key] of keys.entries()) {
    const writer = new RowWriter(tenant);
    writer.beginRun(Labels.fromPairs([['app', at === 1 ? 'b' : 'a']]));
    for (let i = 0; i < rowsPerSegment; i++) {
      // Digits that hardly compress: lines must not fit into the tail that is read with a footer.
      const trace = Array.from({ length: 12 }, () => random.int(2 ** 28, 2 ** 29).toString(16)).join('');
      const level = i % 5 === 0 ? 'error' : 'info';
      writer.addRowText(1 + at * rowsPerSegment + i, 0, `level=${level} n=${i} trace=${trace}`);
      writer.addMetadata('trace_id', trace);
      if (i % 3 === 0) writer.addMetadata('zone', `z${i % 4}`);
    }
    writer.endRun();
    const record = encodeSegment(writer.finish(), { kind: 'record' });
    const kind = key.startsWith('compacted') ? 'compacted' : 'flushed';
    await store.put(key, mergeSegments([{ bytes: record }], { kind, blockBytes: 20_000 }).bytes);
  }
  return store;
}

const lines = (expr: string, direction: 'forward' | 'backward', limit: number): LeafRequest => ({
  kind: 'log',
  tenant,
  expr,
  startNs: 0n,
  endNs,
  direction,
  limit,
});
const samples = (expr: string): LeafRequest => ({
  kind: 'samples',
  tenant,
  expr,
  startNs: 600_000_000_000n,
  endNs,
  stepNs: 600_000_000_000n,
  seriesMax: 0,
});
const requests: readonly LeafRequest[] = [
  lines('{app=~".+"} |= "n=1134 "', 'backward', 100),
  lines('{app=~".+"}', 'backward', 70),
  lines('{app="b"} |~ "n=[0-9]7 "', 'forward', 0),
  lines('{app=~".+"} | zone="z2" | logfmt | n > 1100', 'backward', 50),
  samples('sum by (app) (count_over_time({app=~".+"}[10m]))'),
  samples('sum by (zone) (count_over_time({app=~".+"} |= "error"[10m]))'),
  samples('sum(sum_over_time({app=~".+"} | logfmt | unwrap n[10m]))'),
];

/** Answers of all requests, asked at once by a worker that has nothing in memory. */
async function answers(objectStore: ObjectStore, rangeCache?: RangeCache): Promise<unknown[]> {
  const env: WorkerEnv = { objectStore, rangeCache, cache: new Map(), cacheBytesMax: 100_000 };
  const sources = keys.map((key) => ({ kind: 'object', key }) as const);
  const pending = requests.map(async (request) => {
    const { stats: _, ...answer } = atOnce(unpackLeafResult(await leafTask.run({ request, sources }, env)));
    return answer;
  });
  return Promise.all(pending);
}

/** A store that counts the bytes it is asked for. */
function counted(store: MemoryObjectStore) {
  const counts = { bytes: 0 };
  const proxy = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        const answer: unknown = await (member as (...args: unknown[]) => unknown).apply(target, args);
        if (name === 'getRange') counts.bytes += (answer as Buffer).length;
        if (name === 'getTail') counts.bytes += (answer as { bytes: Buffer }).bytes.length;
        return answer;
      };
    },
  });
  return { store: proxy, counts };
}

/** The cache of a process that has just started over the directory. */
async function openCache(disk: VirtualDisk, bytesMax = 8 << 20): Promise<DiskCache> {
  const clock = { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => 0 };
  const observer = {
    lookedUp: () => undefined,
    wrote: () => undefined,
    evicted: () => undefined,
    storedBytes: () => undefined,
    turnedOff: () => undefined,
  };
  const owner = new DiskCacheOwner({ disk: disk.client(), bytesMax, clock, logger: silent, observer });
  await owner.load();
  return new DiskCache({
    index: new DiskCacheIndex(owner.index.memory),
    disk: disk.client(),
    reports: owner,
    clock,
    timers: new VirtualProcess(new VirtualScheduler(1), 'cache').timers,
    random: new Prng(7),
    patienceMs: () => 1_000,
  });
}

test('answers are the same from the bucket, from a cache of all, and from one with damaged files', async () => {
  const objects = await bucket();
  const expected = await answers(objects);
  const disk = new VirtualDisk(new Prng(1));
  const first = counted(objects);
  const cold = await openCache(disk);
  expect(await answers(first.store, cold)).toEqual(expected);
  await cold.flush();
  // The next process asks the bucket for next to nothing.
  const second = counted(objects);
  expect(await answers(second.store, await openCache(disk))).toEqual(expected);
  expect(first.counts.bytes).toBeGreaterThan(200_000);
  expect(second.counts.bytes).toBeLessThan(first.counts.bytes / 50);
  const paths = disk.paths();
  for (let round = 0; round < 3; round++) {
    const damaged = new VirtualDisk(new Prng(2));
    for (const path of paths) {
      const bytes = Buffer.from(disk.bytesOf(path));
      for (let at = round * 31; at < bytes.length; at += 997) bytes[at] ^= 1 << (at % 8);
      damaged.place(path, round === 1 ? bytes.subarray(0, bytes.length - 7) : bytes);
    }
    expect(await answers(objects, await openCache(damaged))).toEqual(expected);
  }
});

test('answers are the same with a cache that has room for a part', async () => {
  const objects = await bucket();
  const expected = await answers(objects);
  const disk = new VirtualDisk(new Prng(1));
  for (let round = 0; round < 3; round++) {
    const cache = await openCache(disk, 60_000);
    expect(await answers(objects, cache)).toEqual(expected);
    await cache.flush();
  }
});
