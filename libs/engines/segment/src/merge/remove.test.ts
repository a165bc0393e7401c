import fc from 'fast-check';
import { openSegment } from '../read/open.ts';
import { verifySegment } from '../read/verify.ts';
import { rowsOf, writeRows } from '../test/rows.ts';
import type { InputRow } from '../test/rows.ts';
import { encodeSegment } from '../write/encode.ts';
import { mergeSegments } from './merge.ts';
import { removeRows } from './remove.ts';

const row = fc.record({
  labels: fc.constantFrom<InputRow['labels']>([['app', 'a']], [['app', 'b']], [['zone', 'c']]),
  ts: fc.bigInt({ min: 0n, max: 2n ** 50n }),
  line: fc.string(),
  metadata: fc.array(fc.tuple(fc.constantFrom('k', 'l'), fc.constantFrom('1', '2', '3')), { maxLength: 2 }),
});

describe('removing rows', () => {
  test('leaves all others as they were, and nothing of the removed', () => {
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 40 }),
        fc.infiniteStream(fc.boolean()),
        fc.constantFrom('record' as const, 'flushed' as const),
        (rows, coin, kind) => {
          const record = encodeSegment([...writeRows('t', rows), ...writeRows('u', rows.slice(0, 5))], {
            kind: 'record',
            blockBytes: 60,
          });
          const bytes =
            kind === 'record' ? record : mergeSegments([{ bytes: record }], { kind, blockBytes: 60 }).bytes;
          const segment = openSegment(bytes);
          const removed = [];
          const wanted = [];
          for (const section of segment.sections) {
            const all = rowsOf(segment, section);
            let at = 0;
            const left = [];
            for (const { index, rowCount } of section.blocks) {
              // Of every third block nothing goes: it must move as it is.
              const isDropped = Array.from({ length: rowCount }, () => coin.next().value && index % 3 !== 2);
              const dropped = isDropped.flatMap((is, i) => (is ? [i] : []));
              removed.push({ tenant: section.tenant, block: index, rows: Uint32Array.from(dropped) });
              left.push(...all.slice(at, at + rowCount).filter((_, i) => !isDropped[i]));
              at += rowCount;
            }
            if (left.length > 0) wanted.push([section.tenant, left]);
          }
          const result = removeRows(bytes, removed);
          verifySegment(result);
          const after = openSegment(result);
          expect(after.kind).toBe(kind);
          expect(after.sections.map((section) => [section.tenant, rowsOf(after, section)])).toEqual(wanted);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of a damaged segment fails even where blocks are only moved', () => {
    const rows = Array.from({ length: 3 }, (_, i): InputRow => {
      return { labels: [['app', 'a']], ts: BigInt(i), line: `line ${i}`, metadata: [] };
    });
    const bytes = encodeSegment(writeRows('t', rows), { kind: 'record', blockBytes: 1 });
    bytes[9] ^= 1; // in the first block's lines
    expect(() =>
      removeRows(bytes, [{ tenant: 't', block: 2, rows: Uint32Array.of(0) }], { name: 'k' }),
    ).toThrow('k: tenant t: block 0: lines: the checksum does not match');
  });

  test('refuses rows out of order or beyond the block', () => {
    const bytes = encodeSegment(writeRows('t', [{ labels: [], ts: 1n, line: 'x', metadata: [] }]), {
      kind: 'record',
    });
    for (const rows of [[1], [0, 0]]) {
      expect(() => removeRows(bytes, [{ tenant: 't', block: 0, rows: Uint32Array.from(rows) }])).toThrow(
        RangeError,
      );
    }
  });
});
