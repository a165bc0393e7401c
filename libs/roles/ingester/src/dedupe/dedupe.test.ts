/** Protects: repeated entries are found wherever the first one is, and nothing else is dropped. */
import fc from 'fast-check';
import type { Clock, Timers } from '@loki/ports';
import { encodeSegment, openSegment } from '@loki/segment';
import { expectCostGrowth } from '@loki/test-tools';
import { DecodedBlocks } from '../head/decoded-blocks.ts';
import { FlushedBounds } from '../head/flushed-bounds.ts';
import { Head } from '../head/head.ts';
import { decodeRows, encodeRows, hasher, headRecord, rowText, streamOf } from '../test/records.ts';
import type { Row } from '../test/records.ts';
import type { CommittedRows } from './committed-rows.ts';
import { findDuplicates } from './dedupe.ts';
import type { DedupeDeps } from './dedupe.ts';

const nothingCommitted = {
  mark: () => Promise.reject(new Error('the store must not be asked')),
} as unknown as CommittedRows;

/** Time stands still: nothing is interrupted. */
const noTime = {
  clock: { monotonicMs: () => 0 } as Clock,
  timers: { sleep: () => Promise.resolve() } as unknown as Timers,
};

function contextOf(head: Head, over: Partial<DedupeDeps> = {}): DedupeDeps {
  return {
    ...noTime,
    hasher: hasher(),
    head,
    bounds: new FlushedBounds(Number.NEGATIVE_INFINITY),
    committed: nothingCommitted,
    blocks: new DecodedBlocks(1 << 20),
    committedOffset: () => 0,
    ...over,
  };
}

function headOf(...records: Row[][]): Head {
  const head = new Head(hasher());
  records.forEach((rows, offset) => head.add(headRecord(offset, encodeRows(rows))));
  return head;
}

/** Texts of the rows that are marked. */
async function marked(rows: Row[], context: DedupeDeps): Promise<string[]> {
  const segment = openSegment(encodeRows(rows));
  const texts = decodeRows(segment);
  const duplicates = await findDuplicates(segment, context);
  const out: string[] = [];
  let at = 0;
  for (const section of segment.sections) {
    for (const info of section.blocks) {
      const found = duplicates.find((each) => each.tenant === section.tenant && each.block === info.index);
      for (const row of found?.rows ?? []) out.push(texts[at + row]);
      at += info.rowCount;
    }
  }
  return out;
}

describe('duplicates', () => {
  const base: Row = { app: 'x', ns: 1_700_000_000_000_000_000n, line: 'one' };

  test('an equal entry in the head is found', async () => {
    expect(await marked([base], contextOf(headOf([base])))).toEqual([rowText(base)]);
  });

  test.each<[string, Partial<Row>]>([
    ['line', { line: 'two' }],
    ['line of another length', { line: 'ones' }],
    ['timestamp by one nanosecond', { ns: base.ns + 1n }],
    ['stream', { app: 'y' }],
    ['tenant', { tenant: 'b' }],
    ['structured metadata', { metadata: [['k', 'v']] }],
  ])('another %s makes another entry', async (_, other) => {
    expect(await marked([{ ...base, ...other }], contextOf(headOf([base])))).toEqual([]);
  });

  test('structured metadata is compared by name and value', async () => {
    const one: Row = { ...base, metadata: [['k', 'v'], ['l', 'w']] }; // prettier-ignore
    const head = headOf([one]);
    expect(await marked([{ ...one, metadata: [['l', 'w'], ['k', 'v']] }], contextOf(head))).toHaveLength(1); // prettier-ignore
    expect(await marked([{ ...one, metadata: [['k', 'w'], ['l', 'v']] }], contextOf(head))).toEqual([]); // prettier-ignore
  });

  test('a run that begins after the newest known row is not looked at', async () => {
    const head = headOf([base]);
    const context = contextOf(head, {
      blocks: { get: () => Promise.reject(new Error('no block')) } as unknown as DecodedBlocks,
      bounds: new FlushedBounds(0),
    });
    expect(await marked([{ ...base, ns: base.ns + 1000n }], context)).toEqual([]);
  });

  test('an equal entry in an earlier run of the same record is found', async () => {
    const between: Row = { ...base, app: 'y' };
    expect(await marked([base, between, base], contextOf(new Head(hasher())))).toEqual([rowText(base)]);
  });

  test('a run that reaches back to flushed time is looked for in the store', async () => {
    const bounds = new FlushedBounds(Number.NEGATIVE_INFINITY);
    bounds.raise(streamOf(new Head(hasher()), 'x').hash, Number(base.ns / 1000n));
    const asked: bigint[] = [];
    const committed = {
      mark: async (run: { rows: { first: number }; marks: Uint8Array }, offset: number) => {
        asked.push(BigInt(offset));
        run.marks[run.rows.first] = 1;
        return 1;
      },
    } as unknown as CommittedRows;
    const context = contextOf(new Head(hasher()), { bounds, committed, committedOffset: () => 7 });
    expect(await marked([base], context)).toEqual([rowText(base)]);
    expect(asked).toEqual([7n]);
    expect(await marked([{ ...base, app: 'unknown' }], context)).toEqual([]);
    expect(asked).toEqual([7n]);
  });

  test('many entries of one timestamp cost hashes, not pairs', async () => {
    const prepare = (count: number) => {
      const rows = Array.from({ length: count }, (_, i) => ({ ...base, line: `line ${i}`.padEnd(40) }));
      const pushed = rows.map((row, i) => (i % 2 === 0 ? row : { ...row, line: `${row.line}!` }));
      const context = contextOf(headOf(rows));
      return async () => expect(await marked(pushed, context)).toHaveLength(count / 2);
    };
    await expectCostGrowth(prepare, { small: 500, large: 8_000 });
  });

  class CountedBlocks extends DecodedBlocks {
    count = 0;
    override get(...args: Parameters<DecodedBlocks['get']>) {
      this.count++;
      return super.get(...args);
    }
  }

  // One client that always sends the same timestamp: the thousandth push was compared with 999 others.
  test('pushes that share a timestamp cost as much each when they are many', async () => {
    const head = new Head(hasher());
    const blocks = new CountedBlocks(1 << 20);
    const context = contextOf(head, { blocks });
    const pushes = 1000;
    for (let i = 0; i < pushes; i++) {
      const bytes = encodeRows([{ ...base, line: `push ${i}`.padEnd(12) }]);
      expect(await findDuplicates(openSegment(bytes), context)).toEqual([]);
      head.add(headRecord(i, bytes));
    }
    expect(await marked([{ ...base, line: 'push 7'.padEnd(12) }], context)).toHaveLength(1);
    expect(blocks.count).toBeLessThan(8 * pushes);
  });

  // Nor does it take equal timestamps: pushes that all span the same minute were walked side by side.
  test('pushes that overlap in time cost as much each when they are many', async () => {
    const head = new Head(hasher());
    const blocks = new CountedBlocks(1 << 20);
    const context = contextOf(head, { blocks });
    const pushes = 1000;
    for (let i = 0; i < pushes; i++) {
      const late: Row = { ...base, ns: base.ns + 60_000_000_000n - BigInt(i) * 2000n };
      const bytes = encodeRows([{ ...base, ns: base.ns + BigInt(i) * 2000n }, late]);
      expect(await findDuplicates(openSegment(bytes), context)).toEqual([]);
      head.add(headRecord(i, bytes));
    }
    expect(blocks.count).toBeLessThan(8 * pushes);
  });

  // Each run looked through a number for every run before it, and met every equal entry before it again.
  test.each<[string, (i: number) => string, (count: number) => number]>([
    ['pairs', (i) => `${i >> 1}`, (count) => count / 2],
    ['one line', () => 'the same', (count) => count - 1],
  ])(
    'many runs of one stream and one timestamp in a record cost hashes, not pairs: %s',
    async (_, line, repeats) => {
      const prepare = (count: number) => {
        const rows = Array.from({ length: count }, (_, i) => [
          { ...base, line: line(i) },
          { ...base, app: 'y', line: `${i}` },
        ]).flat();
        const bytes = encodeRows(rows);
        const context = contextOf(new Head(hasher()));
        return async () => {
          const [of] = await findDuplicates(openSegment(bytes), context);
          expect(of.rows).toHaveLength(repeats(count));
        };
      };
      await expectCostGrowth(prepare, { small: 500, large: 12_000, timesMax: 60 });
    },
  );

  test('the index of a stream counts as memory of the head until its runs are committed', async () => {
    const head = new Head(hasher());
    const context = contextOf(head);
    for (let i = 0; i < 20; i++) {
      const bytes = encodeRows([{ ...base, line: `${i}` }]);
      await findDuplicates(openSegment(bytes), context);
      head.add(headRecord(i, bytes));
    }
    const [{ index }] = head.entries.values();
    const other = new Head(hasher());
    for (const record of head.records) other.add(record);
    expect(head.memoryBytes - other.memoryBytes).toBe(index.memoryBytes);
    head.dropBelow(10, () => undefined);
    other.dropBelow(10, () => undefined);
    expect(head.memoryBytes).toBe(other.memoryBytes);
  });

  test('others have the thread while a record is compared', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ ...base, line: `${i}` }));
    let nowMs = 0;
    let pauses = 0;
    const clock = { monotonicMs: () => (nowMs += 5) } as Clock;
    const sleep = () => Promise.resolve(void pauses++);
    const timers = { sleep } as unknown as Timers;
    const context = contextOf(headOf(rows), { clock, timers });
    expect(await marked(rows.slice(5_000), context)).toHaveLength(15_000);
    expect(pauses).toBeGreaterThan(10);
  });

  /** The oracle: a set of all entries ever let in. Of few timestamps, with many lines: runs are indexed. */
  test.each<[string, { records: number; rows: number; times: number; lines: number }]>([
    ['few', { records: 8, rows: 12, times: 7, lines: 3 }],
    ['many', { records: 30, rows: 30, times: 2, lines: 60 }],
    ['many that overlap', { records: 30, rows: 6, times: 60, lines: 2 }],
  ])('head and record together never hold an entry twice, and never lose one: %s', async (_, size) => {
    const row = fc.record({
      tenant: fc.constantFrom('a', 'b'),
      app: fc.constantFrom('x', 'y', 'z'),
      ns: fc.integer({ min: 0, max: size.times - 1 }).map((n) => base.ns + BigInt(n) * 700n),
      line: fc.integer({ min: 0, max: size.lines }).map((n) => (n === 0 ? '' : `line ${n}`)),
      metadata: fc.constantFrom<Row['metadata']>([], [['k', 'v']], [['k', 'w']]),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(row, { minLength: 1, maxLength: size.rows }), { maxLength: size.records }),
        async (records) => {
          const head = new Head(hasher());
          const known = new Set<string>();
          for (const [offset, rows] of records.entries()) {
            const bytes = encodeRows(rows);
            const texts = decodeRows(openSegment(bytes));
            const repeats: string[] = [];
            for (const text of texts) {
              if (known.has(text)) repeats.push(text);
              known.add(text);
            }
            expect((await marked(rows, contextOf(head))).sort()).toEqual(repeats.sort());
            head.add(headRecord(offset, bytes));
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('an empty record has no duplicates', async () => {
    expect(
      await findDuplicates(openSegment(encodeSegment([], { kind: 'record' })), contextOf(new Head(hasher()))),
    ).toEqual([]);
  });
});
