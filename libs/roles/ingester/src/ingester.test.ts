/**
 * Protects: every acknowledged entry is visible exactly once, in head or store, through changes of owners.
 */
import { parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { LogLeafResult } from '@loki/ports';
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

  /** Protects: a damaged column shows only when it is decoded, and must not stop all later flushes. */
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

test('the test records say what they are made of', () => {
  const rows = [row(1), row(2), row(1, 'z', 'y')];
  expect(decodeRows(headRecord(0, encodeRows(rows)).segment)).toEqual(rows.map(rowText));
  expect(encodeSegment([], { kind: 'record' }).length).toBeGreaterThan(0);
});
