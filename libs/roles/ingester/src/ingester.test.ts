/**
 * Protects: every acknowledged entry is visible exactly once, in head or store, through changes of owners.
 */
import { parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { LogLeafResult, TailFrame, WriteLog } from '@loki/ports';
import { encodeSegment } from '@loki/segment';
import { decodeRows, encodeRows, headRecord, rowText } from './test/records.ts';
import type { Row } from './test/records.ts';
import { everything, linesOf, World } from './test/world.ts';

const ns = (ms: number) => 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n;
const row = (ms: number, line = `line ${ms}`, app = 'x'): Row => ({ app, ns: ns(ms), line });

describe('an ingester', () => {
  test('answers with all that was acknowledged before the query', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1), row(3)]);
    await world.append([row(2, 'other stream', 'y')]);
    expect(await world.headLines(ingester)).toEqual(['line 1', 'other stream', 'line 3']);
    expect((await world.do(ingester.queryHead(0, everything({ expr: '{app="y"}' })))).result).toMatchObject({
      stats: { linesProcessed: 1 },
    });
  });

  test('each entry is in the head or below the offset it reports, never both', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    for (let i = 0; i < 5; i++) await world.append([row(i)]);
    await world.do(ingester.flush());
    await world.append([row(9)]);
    const answer = await world.do(ingester.queryHead(0, everything()));
    expect(answer.committedOffset).toBe(5);
    expect(linesOf(answer.result as LogLeafResult)).toEqual(['line 9']);
    expect(world.storedRows()).toEqual([0, 1, 2, 3, 4].map((i) => rowText(row(i))));
    expect(ingester.headBytes()).toBeLessThan(2000);
  });

  test('bounds of a head: the oldest row above the offset it reports, by tenant, also after a flush', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    const [a, b] = [parseTenantId('a'), parseTenantId('b')];
    const bounds = async (tenant: TenantId) => (await world.do(ingester.headBounds([0, 9], tenant)))[0];
    expect(await bounds(a)).toEqual({ partition: 0, committedOffset: 0, oldestNs: undefined });
    await world.append([row(7), row(5)]);
    const { oldestNs } = await bounds(a);
    expect(oldestNs).toBe(ns(5));
    expect((await bounds(b)).oldestNs).toBeUndefined();
    await world.do(ingester.flush());
    await world.append([row(9)]);
    const later = await bounds(a);
    expect(later.committedOffset).toBeGreaterThan(0);
    expect(later.oldestNs).toBe(ns(9));
    await world.do(ingester.stop());
  });

  test('a new owner goes on from the last commit', async () => {
    const world = await World.open();
    const first = await world.ready();
    await world.append([row(1)]);
    await world.do(first.flush());
    await world.append([row(2)]);
    await world.do(first.stop());
    expect(first.headBytes()).toBe(0);
    const second = await world.ready();
    expect(await world.headLines(second)).toEqual(['line 2']);
    await expect(world.do(first.queryHead(0, everything()))).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a record that is delivered twice is taken once, also across a restart', async () => {
    const world = await World.open();
    const writer = { id: 'ab'.repeat(16), sequence: 1 };
    const first = await world.ready({ dropDuplicates: false });
    await world.append([row(1)], writer);
    await world.append([row(1)], writer);
    expect(await world.headLines(first)).toEqual(['line 1']);
    await world.do(first.flush());
    await world.do(first.stop());
    const second = await world.ready({ dropDuplicates: false });
    await world.append([row(1)], writer);
    await world.append([row(2)], { ...writer, sequence: 2 });
    expect(await world.headLines(second)).toEqual(['line 2']);
    expect(world.counted.repeated).toBe(2);
  });

  test.each([
    ['in the head', false, false],
    ['in the store', true, false],
    ['in the store, after a restart', true, true],
  ])('an entry equal to one %s does not come in again', async (_, isFlushed, isRestarted) => {
    const world = await World.open();
    let ingester = await world.ready();
    await world.append([row(1), row(2), row(2, 'same time'), row(3)]);
    if (isFlushed) await world.do(ingester.flush());
    if (isRestarted) {
      await world.do(ingester.stop());
      ingester = await world.ready();
    }
    await world.append([row(2), row(2, 'new one'), row(3), row(3, 'x'), row(1, 'line 1', 'y')]);
    await world.append([row(1), row(2)]);
    const lines = await world.headLines(ingester);
    const before = isFlushed ? [] : ['line 1', 'line 2', 'same time', 'line 3'];
    expect(lines.sort()).toEqual([...before, 'new one', 'x', 'line 1'].sort());
    expect(world.counted.duplicates).toBe(4);
    await world.do(ingester.flush());
    const stored = world.storedRows();
    expect(new Set(stored).size).toBe(stored.length);
    expect(stored).toHaveLength(7);
  });

  test('late lines that are new are kept', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(10), row(20)]);
    await world.do(ingester.flush());
    await world.append([row(15), row(5), row(10, 'another')]);
    expect(await world.headLines(ingester)).toEqual(['line 5', 'another', 'line 15']);
  });

  test('a record that cannot be read is put aside whole, and the partition moves on', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1)]);
    const garbage = Buffer.from('this is no segment');
    await world.appendBytes(garbage);
    await world.append([row(2)]);
    expect(await world.headLines(ingester)).toEqual(['line 1', 'line 2']);
    await world.do(ingester.flush());
    expect(world.counted.quarantined).toBe(1);
    const [key] = [...world.bucket.objects.keys()].filter((each) => each.startsWith('quarantine/'));
    expect(world.bucket.objects.get(key)).toEqual(garbage);
    expect(world.commits.entries.at(-1)?.endOffset).toBe(3);
  });

  /** Protects: a damaged column is only met when it is decoded, and must not stop flushing for ever. */
  test('a record whose lines cannot be decoded is put aside when it is flushed', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    const good = encodeRows([row(1, 'a line that stands in the block as it is')]);
    const bad = Buffer.from(good);
    bad[bad.indexOf('stands')] ^= 1;
    await world.appendBytes(bad);
    await world.append([row(2)]);
    await expect(world.headLines(ingester)).rejects.toMatchObject({ code: 'corrupt' });
    await world.do(ingester.flush());
    expect(world.storedRows()).toEqual([rowText(row(2))]);
    expect(world.counted.quarantined).toBe(1);
    expect(await world.headLines(ingester)).toEqual([]);
  });

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
    const left = await world.ready(options, { committed: { keys }, writeLog });
    await world.append([row(1), row(2)]);
    await world.do(other.flush());
    isCutOff = false;
    await world.append([row(3)]);
    await world.pass(5_000);
    const answer = await world.do(left.queryHead(0, everything()));
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
  }, 120_000);

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

  test('a query in progress keeps what a flush drops', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    for (let i = 0; i < 10; i++) await world.append([row(i)]);
    const [answer] = await world.do(Promise.all([ingester.queryHead(0, everything()), ingester.flush()]));
    expect(answer.committedOffset).toBe(0);
    expect((answer.result as LogLeafResult).timestampNs).toHaveLength(10);
  });

  test('streams of the head are counted exactly within a range', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1, 'aa'), row(2, 'bbb'), row(3, 'c')]);
    await world.append([row(2, 'dddd', 'y'), row(50, 'e', 'y')]);
    const ask = (selector: string, from: number, to: number) =>
      world
        .do(
          ingester.headStreams(0, { tenant: parseTenantId('a'), selector, startNs: ns(from), endNs: ns(to) }),
        )
        .then(({ result }) => result.map((each) => [each.labels[0][1], each.entries, each.lineBytes]))
        .then((rows) => rows.sort(([a], [b]) => (a < b ? -1 : 1)));
    expect(await ask('', 0, 100)).toEqual([
      ['x', 3, 6],
      ['y', 2, 5],
    ]);
    expect(await ask('', 2, 3)).toEqual([
      ['x', 1, 3],
      ['y', 1, 4],
    ]);
    expect(await ask('{app="y"}', 3, 50)).toEqual([]);
    expect(await ask('{env="test", app!~"y|z"}', 3, 4)).toEqual([['x', 1, 1]]);
  });

  test.each([3, 200])(
    'labels of the head are those of its streams in the range: %i of them',
    async (count) => {
      const world = await World.open();
      const ingester = await world.ready();
      await world.append(Array.from({ length: count }, (_, i) => row(i, 'line', `app ${i}`)));
      await world.append([{ ...row(1), tenant: 'b' }]);
      const tenant = parseTenantId('a');
      const ask = async (selector: string, from: number, to: number, names?: string[]) => {
        const request = { tenant, selector, startNs: ns(from), endNs: ns(to) };
        const group = { by: 'name' as const, withValues: true, ...(names ? { names } : {}) };
        const { result } = await world.do(ingester.headStreams(0, { ...request, group }));
        return result.map(({ labels, values }) => [labels[0][0], [...values!].sort()]);
      };
      const apps = Array.from({ length: count }, (_, i) => `app ${i}`);
      expect(await ask('', 0, 1000)).toEqual([
        ['app', [...apps].sort()],
        ['env', ['test']],
      ]);
      expect(await ask('', 0, 1000, ['app'])).toEqual([['app', [...apps].sort()]]);
      expect(await ask('', 1, 3)).toEqual([
        ['app', ['app 1', 'app 2']],
        ['env', ['test']],
      ]);
      expect(await ask('{app="app 2"}', 0, 1000)).toEqual([
        ['app', ['app 2']],
        ['env', ['test']],
      ]);
      expect(await ask('', 500, 1000)).toEqual([]);
      await world.do(ingester.flush());
      expect(await ask('', 0, 1000)).toEqual([]);
    },
  );

  test('metrics over the head see the range before the first step, and other tenants are not seen', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1_000), row(2_000), { ...row(2_000), tenant: 'b' }]);
    const answer = await world.do(
      ingester.queryHead(0, {
        kind: 'samples',
        tenant: parseTenantId('a'),
        expr: 'count_over_time({app="x"}[1s])',
        startNs: ns(2_500),
        endNs: ns(2_500),
        stepNs: 0n,
        seriesMax: 0,
      }),
    );
    expect(answer.result).toMatchObject({ kind: 'samples', series: [{ columns: [new Float64Array([1])] }] });
  });
});

describe('a partition that is another’s now', () => {
  test('is answered for until the new owner has read it', async () => {
    const world = await World.open();
    const taken = Promise.withResolvers<void>();
    const asked: number[] = [];
    const takenOver = (partition: number) => {
      asked.push(partition);
      return taken.promise;
    };
    const ingester = await world.ready({}, { takenOver });
    await world.append([row(1)]);
    world.own([]);
    await world.append([row(2)]);
    expect(await world.headLines(ingester)).toEqual(['line 1', 'line 2']);
    expect(ingester.isReady()).toBe(true);
    taken.resolve();
    await world.pass(100);
    await expect(world.do(ingester.queryHead(0, everything()))).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(asked).toEqual([0]);
    expect(ingester.headBytes()).toBe(0);
  });

  test('and comes back before that is kept as it is; at the stop all is let go', async () => {
    const world = await World.open();
    const signals: AbortSignal[] = [];
    const takenOver = (_: number, signal: AbortSignal) => {
      signals.push(signal);
      return new Promise<void>((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('not needed'))),
      );
    };
    const ingester = await world.ready({}, { takenOver });
    await world.append([row(1)]);
    world.own([]);
    world.own([0]);
    await world.pass(1_000);
    expect(await world.headLines(ingester)).toEqual(['line 1']);
    world.own([]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    await world.do(ingester.stop());
    expect(signals[1].aborted).toBe(true);
    expect(ingester.headBytes()).toBe(0);
  });
});

describe('following', () => {
  const follow = async (world: World, frames: AsyncIterator<TailFrame>) => {
    const { value } = await world.do(frames.next());
    const { result, dropped } = value as TailFrame;
    return { lines: linesOf(result as LogLeafResult), dropped };
  };

  test('a follower gets what arrives from now on', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1)]);
    await world.headLines(ingester);
    const abort = new AbortController();
    const request = everything({ expr: '{app="x"} |= "line"', limit: 1, direction: 'backward' });
    const frames = ingester.tail(0, request, abort.signal)[Symbol.asyncIterator]();
    expect((await frames.next()).value).toMatchObject({ result: { labelSets: [] }, dropped: 0 });
    await world.append([row(2), row(3), row(4, 'no match')]);
    expect(await follow(world, frames)).toEqual({ lines: ['line 2', 'line 3'], dropped: 0 });
    await world.append([row(5, 'line of y', 'y')]);
    await world.append([row(6)]);
    expect(await follow(world, frames)).toEqual({ lines: ['line 6'], dropped: 0 });
    const last = frames.next();
    abort.abort();
    expect(await world.do(last)).toEqual({ done: true, value: undefined });
  });

  test('a slow follower loses the oldest entries, counted', async () => {
    const world = await World.open();
    const ingester = await world.ready({
      tailBytesMax: headRecord(0, encodeRows([row(1)])).bytes.length * 3,
    });
    const frames = ingester.tail(0, everything(), new AbortController().signal)[Symbol.asyncIterator]();
    await frames.next();
    for (let i = 0; i < 10; i++) await world.append([row(i)]);
    await world.headLines(ingester);
    const { lines, dropped } = await follow(world, frames);
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => `line ${10 - lines.length + i}`));
    expect(dropped).toBe(10 - lines.length);
    expect(dropped).toBeGreaterThan(5);
    expect(world.counted.tailDropped).toBe(dropped);
    await frames.return?.();
  });

  test('a slow follower keeps a quarter of its bound of what the head has let go', async () => {
    const world = await World.open();
    const recordBytes = headRecord(0, encodeRows([row(1)])).bytes.length;
    const ingester = await world.ready({ tailBytesMax: 12.5 * recordBytes });
    const frames = ingester.tail(0, everything(), new AbortController().signal)[Symbol.asyncIterator]();
    await frames.next();
    for (let i = 0; i < 10; i++) await world.append([row(i)]);
    await world.headLines(ingester);
    await world.do(ingester.flush());
    await world.pass(6_000);
    const { lines, dropped } = await follow(world, frames);
    expect({ lines, dropped }).toEqual({ lines: ['line 7', 'line 8', 'line 9'], dropped: 7 });
    expect(world.counted.tailDropped).toBe(7);
    await frames.return?.();
  });

  test('what is waiting comes a frame at a time, however well it was compressed: each line once', async () => {
    const world = await World.open();
    const ingester = await world.ready({ tailFrameBytes: 2 * 'line 1'.length, logMarginRecords: 1_000 });
    const frames = ingester.tail(0, everything(), new AbortController().signal)[Symbol.asyncIterator]();
    await frames.next();
    for (let i = 0; i < 5; i++) await world.append([row(i)]);
    await world.append([row(5), row(6), row(7)]);
    await world.headLines(ingester);
    const offsets: (number | undefined)[] = [];
    const lines: string[][] = [];
    while (lines.flat().length < 8) {
      const { value } = await world.do(frames.next());
      const { result, nextOffset } = value as TailFrame;
      offsets.push(nextOffset);
      lines.push(linesOf(result as LogLeafResult));
    }
    expect(lines).toEqual([
      ['line 0', 'line 1'],
      ['line 2', 'line 3'],
      ['line 4'],
      ['line 5', 'line 6', 'line 7'],
    ]);
    expect(offsets).toEqual([2, 4, 5, 6]);
    await frames.return?.();
    await world.do(ingester.flush());
    const again = ingester.tail(0, everything(), new AbortController().signal, 2)[Symbol.asyncIterator]();
    expect(await follow(world, again)).toEqual({ lines: ['line 2', 'line 3'], dropped: 0 });
    expect(await follow(world, again)).toEqual({ lines: ['line 4'], dropped: 0 });
    await again.return?.();
  });

  test('who goes on where another owner’s frames ended gets each line once: of the head, of the log, and new ones', async () => {
    const world = await World.open();
    const first = await world.ready({ logMarginRecords: 1_000 });
    const abort = new AbortController();
    const frames = first.tail(0, everything(), abort.signal)[Symbol.asyncIterator]();
    await world.do(frames.next());
    await world.append([row(1)]);
    const { value } = await world.do(frames.next());
    const { nextOffset } = value as TailFrame;
    expect(nextOffset).toBe(1);
    abort.abort();
    // Not seen by the follower: two that were committed since, one that was not.
    await world.append([row(2)]);
    await world.append([row(3), row(3, 'other')]);
    await world.do(first.flush());
    await world.append([row(4)]);
    await world.do(first.stop());
    const second = await world.ready({ logMarginRecords: 1_000 });
    const after = second
      .tail(0, everything(), new AbortController().signal, nextOffset)
      [Symbol.asyncIterator]();
    expect(await follow(world, after)).toEqual({ lines: ['line 2', 'line 3', 'other'], dropped: 0 });
    expect(await follow(world, after)).toEqual({ lines: ['line 4'], dropped: 0 });
    await world.append([row(5)]);
    expect(await follow(world, after)).toEqual({ lines: ['line 5'], dropped: 0 });
    await after.return?.();
  });

  test('a follower without lines hears how far it has come, so that the next owner need not look again', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    const request = everything({ expr: '{app="silent"}' });
    const frames = ingester.tail(0, request, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await world.do(frames.next())).value).toMatchObject({ nextOffset: 0 });
    for (let i = 0; i < 210; i++) await world.append([row(i)]);
    await world.headLines(ingester);
    const { value } = await world.do(frames.next());
    expect((value as TailFrame).nextOffset).toBeGreaterThanOrEqual(200);
    expect((value as TailFrame).result).toMatchObject({ labelSets: [] });
    await frames.return?.();
  });

  test('followers are bounded', async () => {
    const world = await World.open();
    const ingester = await world.ready({ tailsMax: 1 });
    const signal = new AbortController().signal;
    const frames = ingester.tail(0, everything(), signal)[Symbol.asyncIterator]();
    expect(() => ingester.tail(0, everything(), signal)).toThrow('max concurrent tail requests');
    await frames.return?.();
    expect(() => ingester.tail(0, everything(), signal)).not.toThrow();
  });
});

test('the test records say what they are made of', () => {
  const rows = [row(1), row(2), row(1, 'z', 'y')];
  expect(decodeRows(headRecord(0, encodeRows(rows)).segment)).toEqual(rows.map(rowText));
  expect(encodeSegment([], { kind: 'record' }).length).toBeGreaterThan(0);
});
