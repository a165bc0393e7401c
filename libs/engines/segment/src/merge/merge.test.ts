import fc from 'fast-check';
import { dayNs } from '@loki/model';
import { openSegment } from '../read/open.ts';
import { expected, rowsOf, sortedDistinct, writeRows } from '../test/rows.ts';
import type { InputRow } from '../test/rows.ts';
import { encodeSegment } from '../write/encode.ts';
import { mergeSegments } from './merge.ts';

const labels = fc.constantFrom<InputRow['labels']>(
  [['app', 'a']],
  [['app', 'b']],
  [
    ['app', 'a'],
    ['pod', 'ł'],
  ],
  [],
);
const times = fc.oneof(
  fc.bigInt({ min: 0n, max: 20n }),
  fc.bigInt({ min: 1_700_000_000_000_000_000n, max: 1_700_000_000_000_000_050n }),
  // Either side of an era's end, and months apart.
  fc.bigInt({ min: 2n ** 53n * 188n - 3n, max: 2n ** 53n * 188n + 3n }),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
);
const metadata = fc.array(
  fc.tuple(fc.constantFrom('k', 'level', 'zł', 'x'), fc.constantFrom('', '1', 'ü', 'long value')),
  {
    maxLength: 3,
  },
);
const row = fc.record({
  labels,
  ts: times,
  line: fc.oneof(fc.constantFrom('', 'x', 'same'), fc.string()),
  metadata,
});
const batches = fc.array(fc.array(row, { maxLength: 30 }), { minLength: 1, maxLength: 6 });

describe('a merge', () => {
  test('of records has every distinct row once, sorted by stream and time, whatever the block size', () => {
    fc.assert(
      fc.property(batches, fc.constantFrom(1, 40, 1 << 20), (groups, blockBytes) => {
        const records = groups.map((rows) => ({
          bytes: encodeSegment(writeRows('t', rows), { kind: 'record' }),
        }));
        const merged = mergeSegments(records, { kind: 'flushed', blockBytes });
        const arrived = groups.flatMap((rows) => rows.map(expected));
        const expectedRows = sortedDistinct(arrived);
        const segment = openSegment(merged.bytes);
        const rows = segment.sections.flatMap((section) => rowsOf(segment, section));
        expect(rows).toEqual(expectedRows);
        expect(merged.rowCount).toBe(expectedRows.length);
        // Merging what is sorted changes nothing.
        const again = mergeSegments([segment], { kind: 'flushed', blockBytes });
        expect(again.bytes.equals(merged.bytes)).toBe(true);
        expect(again.duplicateRows).toBe(0);
        // A merge with itself drops the half.
        const twice = mergeSegments([segment, segment], { kind: 'flushed', blockBytes });
        expect(twice.duplicateRows).toBe(expectedRows.length);
        expect(twice.bytes.equals(merged.bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('can be had for one day and for some tenants', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 40 }), fc.constantFrom(0, 19675, -1, 19652), (rows, day) => {
        const bytes = encodeSegment([...writeRows('t', rows), ...writeRows('u', rows)], { kind: 'record' });
        const merged = mergeSegments([{ bytes }], { kind: 'compacted', day, tenants: ['u'] });
        const segment = openSegment(merged.bytes);
        const first = BigInt(day) * dayNs;
        const expectedRows = sortedDistinct(
          rows.map(expected).filter(({ ts }) => ts >= first && ts < first + dayNs),
        );
        expect(segment.sections.map(({ tenant }) => tenant as string)).toEqual(
          expectedRows.length > 0 ? ['u'] : [],
        );
        expect(segment.sections.flatMap((section) => rowsOf(segment, section))).toEqual(expectedRows);
      }),
      { numRuns: 200 },
    );
  });

  test('compares a thousand rows of one timestamp without comparing each pair', () => {
    const rows = Array.from({ length: 3000 }, (_, i): InputRow => {
      return { labels: [['app', 'a']], ts: 7n, line: `line ${i % 2000}`, metadata: [['k', `${i % 10}`]] };
    });
    const bytes = encodeSegment(writeRows('t', rows), { kind: 'record' });
    const merged = mergeSegments([{ bytes }, { bytes }], { kind: 'flushed' });
    expect(merged.rowCount).toBe(2000);
    expect(merged.duplicateRows).toBe(2000);
  });

  test('of many tenants with few lines takes memory for their lines, and keeps each line', () => {
    const tenants = Array.from({ length: 200 }, (_, i) => `tenant-${String(i).padStart(3, '0')}`);
    // Those of every second tenant are too few to become smaller.
    const rowsOfTenant = (tenant: string, i: number): InputRow[] =>
      Array.from({ length: i % 2 === 0 ? 1 : 40 }, (_, row) => ({
        labels: [['app', 'a']],
        ts: BigInt(row),
        line: `${tenant} says ${row}`,
        metadata: [],
      }));
    const records = tenants.map((tenant, i) => ({
      bytes: encodeSegment(writeRows(tenant, rowsOfTenant(tenant, i)), { kind: 'record' }),
    }));
    const allocate = jest.spyOn(Buffer, 'allocUnsafeSlow');
    try {
      const segment = openSegment(mergeSegments(records, { kind: 'flushed' }).bytes);
      const allocatedBytes = allocate.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
      expect(allocatedBytes).toBeLessThan(200 * 64 * 1024);
      expect(segment.sections.map((section) => rowsOf(segment, section))).toEqual(
        tenants.map((tenant, i) => rowsOfTenant(tenant, i).map(expected)),
      );
    } finally {
      allocate.mockRestore();
    }
  });
});
