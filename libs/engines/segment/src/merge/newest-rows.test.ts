/** Protects the blocks of the newest rows: they hold no older row, and all rows stay where readers look. */
import fc from 'fast-check';
import { dayNs } from '@loki/model';
import { openSegment } from '../read/open.ts';
import { verifySegment } from '../read/verify.ts';
import { expected, rowsOf, sortedDistinct, writeRows } from '../test/rows.ts';
import type { InputRow, Row } from '../test/rows.ts';
import { encodeSegment } from '../write/encode.ts';
import { mergeSegments } from './merge.ts';

const newestBytes = [400, 60];
/** Blocks as large as the rows that are cut off. */
const blockBytes = 60;

const row = fc.record({
  labels: fc.constantFrom<InputRow['labels']>([['app', 'a']], [['app', 'b']], [['app', 'c']]),
  ts: fc.oneof(
    fc.bigInt({ min: 0n, max: 5000n }),
    fc.bigInt({ min: dayNs - 2000n, max: dayNs + 2000n }),
    // Another era.
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 500n }),
  ),
  line: fc.nat({ max: 30 }).map((length) => 'x'.repeat(length)),
  metadata: fc.constant([]),
});
const batches = fc.array(fc.array(row, { minLength: 1, maxLength: 150 }), { minLength: 1, maxLength: 4 });

function merged(groups: readonly (readonly InputRow[])[], day?: number): Buffer {
  const inputs = groups.map((rows) => ({ bytes: encodeSegment(writeRows('t', rows), { kind: 'record' }) }));
  return mergeSegments(inputs, { kind: 'flushed', blockBytes, newestBytes, day }).bytes;
}

function allRows(bytes: Buffer): Row[] {
  const segment = openSegment(bytes);
  return segment.sections.flatMap((section) => rowsOf(segment, section));
}

test('every distinct row once; those of a stream ascend from block to block; merged again they are the same', () => {
  fc.assert(
    fc.property(batches, fc.constantFrom(undefined, 0, 1), (groups, day) => {
      const bytes = merged(groups, day);
      const expectedRows = sortedDistinct(groups.flat().map(expected)).filter(
        ({ ts }) => day === undefined || (ts >= BigInt(day) * dayNs && ts < BigInt(day + 1) * dayNs),
      );
      if (expectedRows.length === 0) return;
      verifySegment(bytes);
      const rows = allRows(bytes);
      expect(sortedDistinct(rows)).toEqual(expectedRows);
      for (const labels of new Set(rows.map((each) => each.labels))) {
        const times = rows.filter((each) => each.labels === labels).map((each) => each.ts);
        expect(times).toEqual([...times].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      }
      const again = mergeSegments([{ bytes }], { kind: 'compacted', newestBytes: [] });
      expect(allRows(again.bytes)).toEqual(expectedRows);
      const twice = mergeSegments([{ bytes }, { bytes }], { kind: 'compacted', blockBytes, newestBytes });
      expect(twice.duplicateRows).toBe(expectedRows.length);
    }),
    { numRuns: 150 },
  );
});

test('the newest rows of all streams are in the last blocks, and older ones are not', () => {
  const names = Array.from({ length: 20 }, (_, i) => `s${String(i).padStart(2, '0')}`);
  const rows = names.flatMap((name) =>
    Array.from({ length: 100 }, (_, i): InputRow => ({
      labels: [['app', name]],
      ts: BigInt(i * 1000 + Number(name.slice(1))),
      line: 'a line of 20 bytes..',
      metadata: [],
    })),
  );
  const sizes = { blockBytes: 1000, newestBytes: [8000, 1000] };
  const record = encodeSegment(writeRows('t', rows), { kind: 'record' });
  const { bytes } = mergeSegments([{ bytes: record }], { kind: 'flushed', ...sizes });
  const section = openSegment(bytes).sections[0];
  const newest = section.blocks.at(-1)!;
  expect(newest.runs.count).toBe(names.length);
  expect(newest.lineBytes).toBeGreaterThan(400);
  const others = section.blocks.slice(0, -1).map(({ baseNs, maxTs }) => baseNs + BigInt(maxTs));
  for (const time of others) expect(time).toBeLessThan(newest.baseNs);
  // Of the eight blocks before it, a stream has one or two.
  const before = section.blocks.slice(0, -1).filter((each) => each.baseNs >= newest.baseNs - 25_000n);
  expect(before.length).toBeGreaterThanOrEqual(5);
  expect(before.length).toBeLessThanOrEqual(8);
  // A merge cuts where its newest input was cut.
  const older = rows.map((each) => ({ ...each, ts: each.ts - 200_000n }));
  const olderBytes = encodeSegment(writeRows('t', older), { kind: 'record' });
  const merge = mergeSegments([{ bytes: olderBytes }, { bytes }], { kind: 'compacted', ...sizes });
  expect(openSegment(merge.bytes).sections[0].blocks.at(-1)!.baseNs).toBe(newest.baseNs);
});

test('a small section is not cut, nor one whose rows all have one timestamp', () => {
  const rows = (count: number, step: bigint) =>
    Array.from({ length: count }, (_, i): InputRow => ({
      labels: [['app', i % 2 === 0 ? 'a' : 'b']],
      ts: BigInt(i) * step,
      line: `line ${i}`,
      metadata: [],
    }));
  const runsOf = (input: readonly InputRow[]) => {
    const bytes = encodeSegment(writeRows('t', input), { kind: 'record' });
    const options = { kind: 'flushed', newestBytes } as const;
    const { blocks } = openSegment(mergeSegments([{ bytes }], options).bytes).sections[0];
    return blocks.map(({ runs }) => runs.count);
  };
  expect(runsOf(rows(20, 1n))).toEqual([2]);
  expect(runsOf(rows(400, 0n))).toEqual([2]);
  expect(runsOf(rows(400, 1n))).toEqual([2, 2, 2]);
});
