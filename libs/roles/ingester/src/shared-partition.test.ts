/** Protects commits: of several owners of a partition, and while the store is away. */
import type { PartitionCommitter } from '@loki/catalog';
import type { LogLeafResult, WriteLog } from '@loki/ports';
import { VirtualDisk, VirtualProcess } from '@loki/virtual';
import { EmbeddedWriteLog } from '@loki/write-log';
import { encodeRows, rowText } from './test/records.ts';
import type { Row } from './test/records.ts';
import { everything, linesOf, MemoryCommits, World } from './test/world.ts';

const ns = (ms: number) => 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n;
const row = (ms: number, line = `line ${ms}`, app = 'x'): Row => ({ app, ns: ns(ms), line });

describe('owners of one partition, and a store that is away', () => {
  test('of two leaders one wins each commit, and both go on', async () => {
    const world = await World.open();
    const [one, two] = [await world.ready(), await world.ready()];
    for (let i = 0; i < 20; i++) {
      await world.append([row(i)]);
      await world.do(Promise.all([one.flush(), two.flush()]));
    }
    expect(world.counted.lost).toBeGreaterThan(0);
    const { entries } = world.commits;
    entries.forEach((entry, i) => expect(entry.startOffset).toBe(i === 0 ? 0 : entries[i - 1].endOffset));
    expect(world.storedRows()).toEqual(Array.from({ length: 20 }, (_, i) => rowText(row(i))));
    await world.append([row(100)]);
    expect(await world.headLines(one)).toEqual(['line 100']);
    expect(await world.headLines(two)).toEqual(['line 100']);
    // Segments of the losers are gone: only committed ones remain.
    const segments = [...world.bucket.objects.keys()].filter((key) => key.startsWith('segments/'));
    expect(segments.sort()).toEqual(entries.map((entry) => entry.segment!.key).sort());
  });

  /**
   * Protects: the second attempt finds an entry in its place, its own; to throw the segment away would lose
   * it.
   */
  test('a commit whose answer got lost keeps its segment', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1)]);
    world.commits.losesAnswer = true;
    await world.do(ingester.flush());
    expect(world.storedRows()).toEqual([rowText(row(1))]);
    expect(await world.headLines(ingester)).toEqual([]);
    expect(world.counted.lost).toBe(0);
  });

  /** Protects: a repair finds the one segment that the damaged manifest named, and commits it again. */
  test('no segment is put while a damaged manifest stands in its place, and all are once it is repaired', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1)]);
    world.commits.isDamaged = true;
    const flushed = ingester.flush();
    await world.pass(30_000);
    expect([...world.bucket.objects.keys()]).toEqual([]);
    world.commits.isDamaged = false;
    await world.do(flushed);
    expect(world.storedRows()).toEqual([rowText(row(1))]);
  });

  /** Protects: the memory of a released partition is free while the store is away, and it may come back. */
  test('a partition whose flush waits for its turn is released while the flush of another one waits for the store', async () => {
    const world = await World.open();
    const process = new VirtualProcess(world.scheduler, 'log of two');
    const { timers, random } = process;
    const disk = new VirtualDisk(world.scheduler.random.fork('disk of two')).client(process);
    const writeLog = await world.do(EmbeddedWriteLog.open({ disk, timers, random, partitionCount: 2 }));
    const others = new MemoryCommits();
    const commits = (partition: number) => (partition === 0 ? world.commits : others);
    const ingester = await world.ready({ flushesMax: 1 }, { writeLog, commits });
    world.own([0, 1]);
    await world.scheduler.run({ until: () => ingester.isReady(), eventsMax: 200_000 });
    world.commits.isDown = true;
    const writerId = '0'.repeat(32);
    for (const partition of [0, 1]) {
      await world.do(writeLog.append(partition, { writerId, sequence: 1, payload: encodeRows([row(1)]) }));
      await world.do(ingester.queryHead(partition, everything()));
      ingester.flush().catch(() => undefined);
      await world.pass(1_000);
    }
    const headBytes = ingester.headBytes();
    world.own([0]);
    await world.pass(1_000);
    expect(ingester.headBytes()).toBe(headBytes / 2);
    world.own([0, 1]);
    await world.pass(1_000);
    expect(ingester.isReady()).toBe(true);
    expect(world.commits.entries).toEqual([]);
  });

  test('a follower lets go of what the leader committed', async () => {
    const world = await World.open();
    const leader = await world.ready();
    const follower = await world.ready({}, { isLeader: () => false });
    await world.append([row(1)]);
    await world.do(leader.flush());
    await world.append([row(2)]);
    await world.pass(6_000);
    const answer = await world.do(follower.queryHead(0, everything()));
    expect(answer.committedOffset).toBe(1);
    expect(linesOf(answer.result as LogLeafResult)).toEqual(['line 2']);
  });

  test('a follower looks for commits less and less often, and not at all with an empty head', async () => {
    const world = await World.open();
    const leader = await world.ready();
    let looks = 0;
    const counted = new Proxy(world.commits, {
      get(commits, name: keyof PartitionCommitter) {
        if (name === 'load') looks++;
        return commits[name].bind(commits);
      },
    });
    const follower = await world.ready({}, { isLeader: () => false, commits: () => counted });
    looks = 0;
    await world.pass(600_000);
    // An empty head has nothing to let go of.
    expect(looks).toBe(0);
    await world.append([row(0)]);
    await world.pass(600_000);
    expect(looks).toBeGreaterThan(9);
    expect(looks).toBeLessThan(20);
    for (const offset of [2, 3]) {
      await world.append([row(offset)]);
      await world.do(leader.flush());
      await world.pass(61_000);
      const answer = await world.do(follower.queryHead(0, everything()));
      expect(answer.committedOffset).toBe(offset);
    }
    looks = 0;
    await world.append([row(4)]);
    await world.do(leader.flush());
    await world.pass(100_000);
    expect(looks).toBeGreaterThan(0);
    looks = 0;
    await world.pass(600_000);
    expect(looks).toBe(0);
  });

  test('a follower that readers tell of commits asks the store only when there are some', async () => {
    const world = await World.open();
    const leader = await world.ready();
    let looks = 0;
    let number = 0;
    const counted = new Proxy(world.commits, {
      get(commits, name: keyof PartitionCommitter) {
        if (name === 'news') return () => ({ number, manifests: [] });
        if (name === 'load') {
          looks++;
          ({ number } = commits.news());
        }
        return commits[name].bind(commits);
      },
    });
    const follower = await world.ready({}, { isLeader: () => false, commits: () => counted });
    const shared = { compactions: 3, deletes: 0, layout: 0 };
    const tell = (known: number) => follower.catalogNews({ partitions: new Map([[0, known]]), shared });
    await world.append([row(0)]);
    looks = 0;
    for (let i = 0; i < 40; i++) {
      await world.pass(15_000);
      await tell(0);
    }
    expect(looks).toBeLessThan(3);
    await world.do(leader.flush());
    const news = await leader.catalogNews({ partitions: new Map(), shared });
    expect(news.partitions).toMatchObject([{ partition: 0, number: 1, isLeader: true }]);
    looks = 0;
    await tell(1);
    await tell(1);
    await world.pass(100);
    expect(looks).toBe(1);
    expect((await world.do(follower.queryHead(0, everything()))).committedOffset).toBe(1);
  });

  test('a leader that others have long left behind goes on from where they are', async () => {
    const world = await World.open();
    // Knows of an entry below its offset which was merged since, with rows above: its segment is gone.
    const keys = async (_: number, offset: number) => (offset < 2 ? ['segments/0/0-1-gone'] : []);
    const options = { retryMaxMs: 500, logMarginRecords: 10 };
    const other = await world.ready(options);
    await world.append([row(1)]);
    await world.do(other.flush());
    let isCutOff = true;
    const writeLog = new Proxy(world.log, {
      get(log, name: keyof WriteLog) {
        if (name === 'read' && isCutOff) return () => Promise.reject(new Error('cut off from the log'));
        const value = log[name];
        return typeof value === 'function' ? (value.bind(log) as unknown) : value;
      },
    });
    const former = await world.ready(options, { committed: { keys }, writeLog });
    await world.append([row(1), row(2)]);
    await world.do(other.flush());
    isCutOff = false;
    await world.append([row(3)]);
    await world.pass(5_000);
    const answer = await world.do(former.queryHead(0, everything()));
    expect(answer.committedOffset).toBe(2);
    expect(linesOf(answer.result as LogLeafResult)).toEqual(['line 3']);
  });

  test('while the store is down memory stays within its bound, and all is there afterwards', async () => {
    const world = await World.open();
    const options = {
      flushRawBytes: 20_000,
      headBytesPartitionMax: 50_000,
      headBytesMax: 50_000,
      readBytesMax: 1_000,
      retryMaxMs: 1_000,
    };
    const ingester = await world.ready(options);
    world.bucket.faults.down = true;
    // Lines that do not compress, so that memory fills.
    const line = () => Buffer.from(world.scheduler.random.bytes(700)).toString('hex');
    for (let i = 0; i < 100; i++) await world.append([row(i, line())]);
    await world.pass(5_000);
    expect(ingester.headBytes()).toBeGreaterThan(40_000);
    expect(ingester.headBytes()).toBeLessThan(55_000);
    await expect(world.do(ingester.queryHead(0, everything()))).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(world.counted.failed).toBeGreaterThan(1);
    world.bucket.faults.down = false;
    await world.pass(10_000);
    await world.do(ingester.flush());
    expect(world.storedRows()).toHaveLength(100);
    expect(ingester.headBytes()).toBe(0);
  });

  test('thirty minutes without the store at full load: memory stays bounded, and what waits is drained at twice the rate', async () => {
    const world = await World.open();
    const bound = 100_000;
    const ingester = await world.ready({
      flushRawBytes: 60_000,
      headBytesPartitionMax: bound,
      headBytesMax: bound,
      readBytesMax: 10_000,
    });
    let appended = 0;
    let mostBytes = 0;
    // Ten seconds of load: lines that do not compress, so that memory fills within minutes.
    const step = async (): Promise<void> => {
      const lines = Array.from({ length: 8 }, () =>
        Buffer.from(world.scheduler.random.bytes(500)).toString('hex'),
      );
      await world.append(lines.map((line) => row(appended++, line)));
      await world.pass(10_000);
      mostBytes = Math.max(mostBytes, ingester.headBytes());
    };
    world.bucket.faults.down = true;
    const outageSteps = 180;
    for (let i = 0; i < outageSteps; i++) await step();
    expect(mostBytes).toBeGreaterThan(0.8 * bound);
    expect(mostBytes).toBeLessThan(1.1 * bound);
    world.bucket.faults.down = false;
    let drainSteps = 0;
    const isDrained = async () =>
      ((await ingester.status())[0]?.consumedOffset ?? 0) >= (await world.log.endOffset(0));
    for (; !(await world.do(isDrained())); drainSteps++) await step();
    // As much again came in meanwhile.
    expect(drainSteps).toBeLessThan(outageSteps);
    expect(mostBytes).toBeLessThan(1.1 * bound);
    await world.do(ingester.flush());
    expect(world.storedRows()).toHaveLength(appended);
    expect(new Set(world.storedRows()).size).toBe(appended);
  });

  test.each([
    ['by size', { flushRawBytes: 1_000 }, 0],
    ['by age', { flushAgeMs: 60_000 }, 66_000],
    ['by idleness', { flushIdleMs: 30_000 }, 36_000],
  ])('flushes %s without being asked', async (_, options, ms) => {
    const world = await World.open();
    await world.ready(options);
    await world.append([row(1, 'x'.repeat(1_000))]);
    await world.pass(Math.max(1_000, ms / 4));
    if (ms > 0) expect(world.commits.entries).toHaveLength(0);
    await world.pass(ms);
    expect(world.commits.entries).toHaveLength(1);
  });
});
