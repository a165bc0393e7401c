/**
 * Protects answers from the cache on local disk: it returns the written bytes or none, under every fault of
 * the disk and every race of threads; it stays within its bound; a scan does not flush it.
 */
import fc from 'fast-check';
import { crc32c } from '@loki/bytes';
import type { Disk, Logger } from '@loki/ports';
import type { DiskCacheLookups } from '@loki/telemetry';
import { Prng, VirtualDisk, VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { DiskCacheIndex } from './disk-cache-index.ts';
import { DiskCacheOwner } from './disk-cache-owner.ts';
import { DiskCache } from './disk-cache.ts';
import type { DiskCacheReports } from './disk-cache.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const mib = 1 << 20;

/** Bytes of an object, which follow from their place in it: an oracle without memory. */
function bytesOf(key: string, offset: number, length: number): Buffer {
  return Buffer.alloc(length, `${key} at ${offset}, ${length} bytes. `);
}

function rangeOf(key: string, offset: number, storedBytes: number) {
  const bytes = bytesOf(key, offset, storedBytes);
  return { offset, storedBytes, checksum: crc32c(bytes), bytes };
}

interface World {
  readonly owner: DiskCacheOwner;
  /** As threads have them. */
  readonly threads: readonly DiskCache[];
  readonly lookups: DiskCacheLookups;
  readonly counts: { evictedBytes: number; turnedOff: number };
  flush(): Promise<void>;
}

interface OpenOptions {
  readonly bytesMax?: number;
  readonly threads?: number;
  readonly nowMs?: () => number;
}

function open(disk: Disk, { bytesMax = 4 * mib, threads = 1, nowMs = () => 0 }: OpenOptions = {}): World {
  const lookups = { hits: 0, misses: 0, late: 0, damaged: 0, hitBytes: 0 };
  const counts = { evictedBytes: 0, turnedOff: 0 };
  const clock = { nowMs, nowNs: () => 0n, monotonicMs: nowMs };
  const { timers } = new VirtualProcess(new VirtualScheduler(1), 'cache');
  const owner = new DiskCacheOwner({
    disk,
    bytesMax,
    clock,
    logger: silent,
    observer: {
      lookedUp: (more) => {
        for (const name of Object.keys(lookups) as (keyof DiskCacheLookups)[]) lookups[name] += more[name];
      },
      wrote: () => undefined,
      evicted: (bytes) => void (counts.evictedBytes += bytes),
      storedBytes: () => undefined,
      turnedOff: () => void counts.turnedOff++,
    },
  });
  const random = new Prng(7);
  const caches = Array.from({ length: threads }, () => {
    // Each thread has views of its own over the shared memory.
    const index = new DiskCacheIndex(owner.index.memory);
    return new DiskCache({ index, disk, reports: owner, clock, timers, random, patienceMs: () => 1_000 });
  });
  const flush = async () => void (await Promise.all(caches.map((cache) => cache.flush())));
  return { owner, threads: caches, lookups, counts, flush };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

test('gives what was written, on every thread, and after a restart', async () => {
  const disk = new VirtualDisk(new Prng(1));
  const world = open(disk.client(), { threads: 2 });
  await world.owner.load();
  const ranges = [rangeOf('a', 0, 100), rangeOf('a', 2 ** 40, 70_000), rangeOf('a', 4_000, 9_000)];
  world.threads[0].write('a', ranges);
  world.threads[1].writeTail('a', { bytes: bytesOf('a', 9, 500), sizeBytes: 2 ** 41 });
  await world.flush();
  const check = async ({ threads }: World) => {
    for (const thread of threads) {
      expect(await thread.read('a', ranges)).toEqual(ranges.map(({ bytes }) => bytes));
      expect(await thread.read('b', ranges)).toEqual([undefined, undefined, undefined]);
      expect(await thread.readTail('a')).toEqual({ bytes: bytesOf('a', 9, 500), sizeBytes: 2 ** 41 });
      expect(await thread.readTail('b')).toBeUndefined();
    }
  };
  await check(world);
  await world.flush();
  expect(world.lookups).toMatchObject({ hits: 8, late: 0, damaged: 0 });
  const next = open(disk.client());
  await next.owner.load();
  await check(next);
});

test('a damaged file gives no byte that was not written, and is deleted', async () => {
  const disk = new VirtualDisk(new Prng(1));
  const world = open(disk.client());
  await world.owner.load();
  const ranges = Array.from({ length: 5 }, (_, i) => rangeOf('a', i * 1_000, 300));
  world.threads[0].write('a', ranges);
  await world.flush();
  const [path] = disk.paths();
  const whole = disk.bytesOf(path);
  const ask = async (bytes: Buffer) => {
    const other = new VirtualDisk(new Prng(2));
    other.place(path, bytes);
    const { owner, threads } = open(other.client());
    await owner.load();
    const given = await threads[0].read('a', ranges);
    given.forEach((each, i) => each && expect(each).toEqual(ranges[i].bytes));
    await settled();
    return { given: given.filter(Boolean).length, files: other.paths().length };
  };
  expect(await ask(whole)).toEqual({ given: 5, files: 1 });
  for (let length = 0; length < whole.length; length += 37) {
    expect(await ask(whole.subarray(0, length))).toEqual({ given: 0, files: 0 });
  }
  for (let at = 0; at < whole.length; at += 11) {
    const flipped = Buffer.from(whole);
    flipped[at] ^= 1 << (at % 8);
    expect((await ask(flipped)).given).toBeLessThan(5);
  }
});

test('stays within its bound, and a scan over more than that leaves what is read again and again', async () => {
  const disk = new VirtualDisk(new Prng(1));
  let nowMs = 0;
  const world = open(disk.client(), { nowMs: () => nowMs, bytesMax: 8 * mib });
  await world.owner.load();
  const [cache] = world.threads;
  const panel = Array.from({ length: 40 }, (_, i) => rangeOf('panel', i * 50_000, 40_000));
  const askPanel = async () => {
    const given = await cache.read('panel', panel);
    const missing = panel.filter((_, i) => !given[i]);
    cache.write('panel', missing);
    await world.flush();
    return panel.length - missing.length;
  };
  await askPanel();
  for (let round = 0; round < 300; round++) {
    nowMs += 5_000;
    const scanned = Array.from({ length: 10 }, (_, i) => rangeOf(`scan ${round}`, i * 40_000, 40_000));
    await cache.read(`scan ${round}`, scanned);
    cache.write(`scan ${round}`, scanned);
    await world.flush();
    await settled();
    if (round % 3 === 0) expect(await askPanel()).toBe(panel.length);
    expect(disk.usedBytes).toBeLessThanOrEqual(8 * mib);
  }
  // Ranges without readers make room for ranges that are read again.
  const fresh = Array.from({ length: 40 }, (_, i) => rangeOf('fresh', i * 50_000, 40_000));
  for (let round = 0; round < 3; round++) {
    nowMs += 5_000;
    cache.write('fresh', fresh);
    await world.flush();
  }
  expect((await cache.read('fresh', fresh)).filter(Boolean).length).toBe(fresh.length);
  expect(world.counts.evictedBytes).toBeGreaterThan(0);
});

test('a full disk turns it off for all threads, once, and reads go on', async () => {
  const disk = new VirtualDisk(new Prng(1));
  disk.faults = { ...disk.faults, capacityBytes: 100_000 };
  const world = open(disk.client(), { threads: 2 });
  await world.owner.load();
  for (const thread of world.threads) thread.write('a', [rangeOf('a', 0, 90_000)]);
  await world.flush();
  await settled();
  expect(world.counts.turnedOff).toBe(1);
  expect(world.threads.map((thread) => thread.write('b', [rangeOf('b', 0, 10)]))).toEqual([
    undefined,
    undefined,
  ]);
  expect(await world.threads[1].read('a', [rangeOf('a', 0, 90_000)])).toEqual([undefined]);
});

test('a disk that answers later than the store would is not waited for', async () => {
  const disk = new VirtualDisk(new Prng(1));
  const first = open(disk.client());
  await first.owner.load();
  const range = rangeOf('a', 0, 5_000);
  first.threads[0].write('a', [range]);
  await first.flush();
  const scheduler = new VirtualScheduler(1);
  const process = new VirtualProcess(scheduler, 'slow');
  const { clock, timers, random } = process;
  const lookups: DiskCacheLookups[] = [];
  const slow = disk.client(process);
  const reports: DiskCacheReports = {
    written: () => undefined,
    damaged: () => undefined,
    failed: () => undefined,
    lookedUp: (each) => void lookups.push(each),
  };
  const index = new DiskCacheIndex(first.owner.index.memory);
  const cache = new DiskCache({ index, disk: slow, reports, clock, timers, random, patienceMs: () => 30 });
  disk.faults = { ...disk.faults, delayMaxMs: 100_000 };
  const startedMs = clock.monotonicMs();
  expect(await scheduler.settle(cache.read('a', [range]))).toEqual([undefined]);
  expect(clock.monotonicMs() - startedMs).toBeLessThan(31);
  await cache.flush();
  expect(lookups).toEqual([{ hits: 0, misses: 0, late: 1, damaged: 0, hitBytes: 0 }]);
});

test('whatever threads do on whatever disk, ranges are right or missing', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), thread: fc.nat(2), key: fc.nat(5), at: fc.nat(20) }),
    fc.record({ kind: fc.constant('read' as const), thread: fc.nat(2), key: fc.nat(5), at: fc.nat(20) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(10_000) }),
    fc.record({ kind: fc.constant('flip' as const), file: fc.nat(), at: fc.nat() }),
    fc.record({ kind: fc.constant('cut' as const), file: fc.nat(), at: fc.nat() }),
    fc.record({ kind: fc.constant('delete' as const), file: fc.nat() }),
    fc.record({ kind: fc.constant('restart' as const) }),
    fc.record({ kind: fc.constant('full' as const), bytes: fc.nat(200_000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120 }), async (steps) => {
      const disk = new VirtualDisk(new Prng(3));
      let nowMs = 0;
      const bytesMax = 300_000;
      const start = async () => {
        const world = open(disk.client(), { threads: 3, bytesMax, nowMs: () => nowMs });
        await world.owner.load();
        return world;
      };
      let world = await start();
      const rangesAt = (key: number, at: number) =>
        [0, 1, 2].map((i) => rangeOf(`k${key}`, (at + i) * 3_000, 100 + ((key * 7 + at + i) % 11) * 290));
      for (const each of steps) {
        const paths = disk.paths();
        switch (each.kind) {
          case 'write':
            world.threads[each.thread].write(`k${each.key}`, rangesAt(each.key, each.at));
            world.threads[each.thread].writeTail(`k${each.key}`, {
              bytes: bytesOf(`k${each.key}`, 1, 200),
              sizeBytes: each.key,
            });
            break;
          case 'read': {
            const ranges = rangesAt(each.key, each.at);
            const given = await world.threads[each.thread].read(`k${each.key}`, ranges);
            given.forEach((bytes, i) => bytes && expect(bytes).toEqual(ranges[i].bytes));
            const tail = await world.threads[each.thread].readTail(`k${each.key}`);
            if (tail) expect(tail).toEqual({ bytes: bytesOf(`k${each.key}`, 1, 200), sizeBytes: each.key });
            break;
          }
          case 'wait':
            nowMs += each.ms;
            await world.flush();
            await settled();
            break;
          case 'restart':
            world = await start();
            break;
          case 'full':
            disk.faults = { ...disk.faults, capacityBytes: each.bytes };
            break;
          default: {
            if (paths.length === 0) break;
            const path = paths[each.file % paths.length];
            const bytes = disk.bytesOf(path);
            if (each.kind === 'delete') await disk.client().remove(path);
            else if (each.kind === 'cut') disk.place(path, bytes.subarray(0, each.at % (bytes.length + 1)));
            else if (bytes.length > 0) {
              bytes[each.at % bytes.length] ^= 1 << (each.at % 8);
              disk.place(path, bytes);
            }
          }
        }
        expect(disk.usedBytes).toBeLessThanOrEqual(bytesMax + 3 * (bytesMax / 16));
      }
    }),
    { numRuns: 60 },
  );
});
