import fc from 'fast-check';
import { openSegment } from '../read/open.ts';
import { verifySegment } from '../read/verify.ts';
import { expected, rowsOf, writeRows } from '../test/rows.ts';
import type { InputRow } from '../test/rows.ts';
import { encodeSegment } from './encode.ts';
import { encodeRecords } from './records.ts';

/** Text that zstd cannot make smaller. */
function noise(seed: number, length: number): string {
  let state = seed * 2_654_435_761 + 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    text += String.fromCharCode(33 + (state % 94));
  }
  return text;
}

function read(records: readonly Buffer[]) {
  return records.flatMap((bytes) => {
    verifySegment(bytes);
    const segment = openSegment(bytes);
    return segment.sections.flatMap((section) => rowsOf(segment, section));
  });
}

test('no record is larger than allowed, and together they hold each row once, in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ size: fc.nat(3_000), stream: fc.nat(5), pairs: fc.nat(3) }), {
        minLength: 1,
        maxLength: 150,
      }),
      fc.integer({ min: 8_000, max: 60_000 }),
      (shapes, bytesMax) => {
        const rows = shapes.map(({ size, stream, pairs }, i): InputRow => {
          const metadata = Array.from({ length: pairs }, (_, k) => [`k${k}`, `v${i}`] as const);
          return {
            labels: [['app', `a${stream}`]],
            ts: BigInt(i) * 1_000_000_000_000_000n,
            line: noise(i, size),
            metadata,
          };
        });
        const sections = writeRows('t', rows);
        const order = read([encodeSegment(sections, { kind: 'record' })]);
        const records = encodeRecords(sections, bytesMax);
        for (const { length } of records) expect(length).toBeLessThanOrEqual(bytesMax);
        expect(read(records)).toEqual(order);
        expect(order).toHaveLength(rows.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('rows that fit stay one record; a row that does not is one by itself, between its neighbours', () => {
  const rows = [10, 50_000, 10].map((size, i): InputRow => ({
    labels: [['app', 'a']],
    ts: BigInt(i),
    line: noise(i, size),
    metadata: [],
  }));
  expect(encodeRecords(writeRows('t', rows), 1 << 20)).toHaveLength(1);
  const records = encodeRecords(writeRows('t', rows), 20_000);
  expect(read(records)).toEqual(rows.map(expected));
  expect(records.filter(({ length }) => length > 20_000)).toHaveLength(1);
});
