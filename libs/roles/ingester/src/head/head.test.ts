/** Protects: a head counts exactly its records, and forgets them completely. */
import fc from 'fast-check';
import { Labels, usOf } from '@loki/model';
import { atOnce } from '@loki/ports';
import { expectCostGrowth } from '@loki/test-tools';
import { encodeRows, hasher, headRecord, streamOf } from '../test/records.ts';
import { boundsBelow } from './bounds-below.ts';
import { FlushedBounds } from './flushed-bounds.ts';
import { Head } from './head.ts';
import { selectRecords } from './select.ts';

const ns = (ms: number) => 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n;
const text = (app: string) => `{app="${app}", env="test"}`;

function labelsIn({ streams }: Head, tenant: string): string[] {
  const ofTenant = streams.tenants.get(tenant);
  return ofTenant
    ? Array.from(streams.ofTenant(ofTenant), (each) =>
        Labels.fromPairs(streams.pairs(each, new Map())).toString(),
      ).sort()
    : [];
}

describe('the head', () => {
  test('counts what it holds, and holds nothing after everything was dropped', () => {
    let streams = 0;
    const head = new Head(hasher(), (_, difference) => (streams += difference));
    for (let offset = 0; offset < 10; offset++) {
      head.add(
        headRecord(
          offset,
          encodeRows([
            { app: 'x', ns: ns(offset), line: 'hello' },
            { app: `only-${offset}`, ns: ns(offset), line: 'hi' },
          ]),
        ),
      );
    }
    expect({ rows: head.rowCount, bytes: head.lineBytes, streams: head.streamCount }).toEqual({
      rows: 20,
      bytes: 70,
      streams: 11,
    });
    expect(streams).toBe(11);
    const hashes = ['x', 'only-0'].map((app) => streamOf(head, app).hash);
    const dropped = new Map<number, number>();
    head.dropBelow(4, (hash, newestUs) => dropped.set(hash, newestUs));
    expect(hashes.map((hash) => dropped.get(hash))).toEqual([usOf(ns(3)), usOf(ns(0))]);
    expect(dropped.size).toBe(5);
    expect(head.records.map((record) => record.offset)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(head.streamCount).toBe(7);
    head.dropBelow(100, () => {});
    expect(head).toMatchObject({ rowCount: 0, lineBytes: 0, memoryBytes: 0, streamCount: 0 });
    expect([head.streams.tenants.size, head.streams.values.size, head.entries.size]).toEqual([0, 0, 0]);
    expect(streams).toBe(0);
  });

  test('the newest time of a stream is never below that of what is left of it', () => {
    const head = new Head(hasher());
    for (const [offset, ms] of [50, 10, 30, 20].entries()) {
      head.add(headRecord(offset, encodeRows([{ app: 'x', ns: ns(ms), line: `${ms}` }])));
    }
    const { number } = streamOf(head, 'x');
    expect(head.newestUs(number)).toBe(usOf(ns(50)));
    head.dropBelow(1, () => {});
    expect(head.newestUs(number)).toBeGreaterThanOrEqual(usOf(ns(30)));
    expect(head.newestUs(streamOf(head, 'unknown').number)).toBe(Number.NEGATIVE_INFINITY);
  });

  test('between a cut and the end of its streams, records enter and queries see none of the old rows', () => {
    let streams = 0;
    const head = new Head(hasher(), (_, difference) => (streams += difference));
    const record = (offset: number, apps: readonly string[]) =>
      headRecord(offset, encodeRows(apps.map((app) => ({ app, ns: ns(offset), line: app }))));
    head.add(record(1, ['x', 'y', 'z']));
    head.add(record(2, ['z']));
    const bounds = new Map<number, number>();
    atOnce(boundsBelow(head, 2, (hash, newestUs) => bounds.set(hash, newestUs)));
    expect([...bounds.values()]).toEqual([usOf(ns(1)), usOf(ns(1)), usOf(ns(1))]);
    head.cutBelow(2);
    const range = { tenant: 'a', startNs: 0n, endNs: ns(10), matchers: [] };
    const runsOf = (app: string) => head.newestRun(streamOf(head, app).number);
    expect([runsOf('x'), runsOf('y')]).toEqual([-1, -1]);
    expect(selectRecords(head, range).map(({ offset }) => offset)).toEqual([2]);
    expect(head.rowsOf('a')).toBe(1);
    head.add(record(3, ['y']));
    const forgetting = head.forgetStreams();
    while (!forgetting.next().done);
    expect(labelsIn(head, 'a')).toEqual([text('y'), text('z')]);
    expect([head.streamCount, streams]).toEqual([2, 2]);
    expect(head.newestUs(streamOf(head, 'y').number)).toBe(usOf(ns(3)));
    head.dropBelow(4, () => undefined);
    expect(head).toMatchObject({ rowCount: 0, lineBytes: 0, memoryBytes: 0, streamCount: 0 });
    expect(streams).toBe(0);
  });

  test('records that overtook others stay when those before them are dropped', () => {
    let streams = 0;
    const head = new Head(hasher(), (_, difference) => (streams += difference));
    const record = (offset: number, tenant: string) =>
      headRecord(offset, encodeRows([{ tenant, app: `s${offset}`, ns: ns(offset), line: `${offset}` }]));
    for (const [offset, tenant] of [
      [1, 'a'],
      [4, 'b'],
      [2, 'a'],
      [3, 'a'],
      [5, 'b'],
    ] as const) {
      // prettier-ignore
      head.add(record(offset, tenant));
    }
    expect(head.records.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5]);
    const dropped: number[] = [];
    head.dropBelow(3, (_, newestUs) => dropped.push(newestUs));
    expect(head.records.map(({ offset }) => offset)).toEqual([3, 4, 5]);
    expect(dropped).toEqual(expect.arrayContaining([1, 2].map((ms) => usOf(ns(ms)))));
    expect([labelsIn(head, 'a'), labelsIn(head, 'b')]).toEqual([[text('s3')], [text('s4'), text('s5')]]);
    for (const each of head.records) {
      const [stream] = head.streamsOf(each, each.offset === 3 ? 'a' : 'b');
      expect(head.recordOf(head.newestRun(stream))).toBe(each);
      expect(head.newestUs(stream)).toBe(usOf(ns(each.offset)));
    }
    expect([streams, head.rowCount, head.lineBytes]).toEqual([3, 3, 3]);
    head.dropBelow(9, () => {});
    expect(head).toMatchObject({ rowCount: 0, lineBytes: 0, memoryBytes: 0, streamCount: 0 });
  });

  test('a removed record leaves no stream, run or byte', () => {
    const head = new Head(hasher());
    const records = [1, 2, 3].map((n) => headRecord(n, encodeRows([{ app: `s${n}`, ns: ns(n), line: 'x' }])));
    for (const record of records) head.add(record);
    head.remove(new Set([records[1]]));
    expect(labelsIn(head, 'a')).toEqual([text('s1'), text('s3')]);
    expect(head.rowCount).toBe(2);
  });

  /** The runs of each stream, the newest first, as offsets of their records. */
  function runsIn(head: Head): Record<string, number[]> {
    const all: Record<string, number[]> = {};
    for (const tenant of head.streams.tenants.values()) {
      for (const stream of head.streams.ofTenant(tenant)) {
        const offsets: number[] = [];
        for (let run = head.newestRun(stream); run >= 0; run = head.runs.previous(run)) {
          offsets.push(head.placeOf(run).record.offset);
        }
        all[`${tenant.tenant} ${new Map(head.streams.pairs(stream, new Map())).get('app')}`] = offsets;
      }
    }
    return all;
  }

  test('streams keep their runs while others come and go', () => {
    const record = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat({ max: 12 })), {
      minLength: 1,
      maxLength: 6,
    });
    const step = fc.tuple(record, fc.option(fc.nat({ max: 8 }), { freq: 3 }));
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const head = new Head(hasher());
        let plain: { offset: number; key: string }[] = [];
        steps.forEach(([streams, behind], offset) => {
          const rows = streams.map(([tenant, app]) => ({
            tenant,
            app: `s${app}`,
            ns: ns(offset),
            line: 'x',
          }));
          head.add(headRecord(offset, encodeRows(rows)));
          // Neighbours of one tenant and stream are one run.
          for (const tenant of ['a', 'b']) {
            const apps = rows.filter((row) => row.tenant === tenant).map(({ app }) => app);
            apps.forEach((app, i) => {
              if (i === 0 || !isRunOn(rows, tenant, i)) plain.push({ offset, key: `${tenant} ${app}` });
            });
          }
          if (behind !== null) {
            head.dropBelow(offset - behind, () => {});
            plain = plain.filter((run) => run.offset >= offset - behind);
          }
          const expected: Record<string, number[]> = {};
          for (const run of plain) (expected[run.key] ??= []).unshift(run.offset);
          expect(runsIn(head)).toEqual(expected);
        });
      }),
      { numRuns: 200 },
    );
  });
});

/** Whether the i-th row of a tenant continues the run of the row before it. */
function isRunOn(rows: readonly { tenant: string; app: string }[], tenant: string, i: number): boolean {
  const places = rows.flatMap((row, at) => (row.tenant === tenant ? [at] : []));
  return places[i] === places[i - 1] + 1 && rows[places[i]].app === rows[places[i - 1]].app;
}

describe('flushed bounds', () => {
  test('streams that are not remembered share the floor, which rises with what is forgotten', () => {
    const bounds = new FlushedBounds(100, 2);
    expect(bounds.newestUs(1)).toBe(100);
    bounds.raise(1, 500);
    bounds.raise(2, 200);
    expect([bounds.newestUs(1), bounds.newestUs(9)]).toEqual([500, 100]);
    bounds.raise(3, 300);
    expect([bounds.newestUs(1), bounds.newestUs(8)]).toEqual([500, 500]);
  });

  test('more streams than are remembered cost no more each', async () => {
    const prepare = (streams: number) => {
      const bounds = new FlushedBounds(Number.NEGATIVE_INFINITY, streams);
      for (let i = 0; i < streams; i++) bounds.raise(i, i);
      return () => {
        for (let i = streams; i < 2 * streams; i++) bounds.raise(i, i);
      };
    };
    await expectCostGrowth(prepare, { small: 1_000, large: 60_000 });
  });

  test('what somebody else committed raises everything below it', () => {
    const bounds = new FlushedBounds(Number.NEGATIVE_INFINITY);
    bounds.raise(1, 500);
    bounds.raise(2, 900);
    bounds.raiseAll(700);
    expect([1, 2, 3].map((stream) => bounds.newestUs(stream))).toEqual([700, 900, 700]);
  });
});
