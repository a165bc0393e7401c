import fc from 'fast-check';
import { ByteReader, ByteWriter, BytesError, crc32c } from '@loki/bytes';
import { LokiError } from '@loki/model';
import { DecodedColumn, encodeColumns } from './columns/dictionary.ts';
import { readFloats, readUint32s, writeInts } from './columns/ints.ts';
import { verifySegment } from './read/verify.ts';
import { makeGolden } from './test/golden.ts';

/** The only ways in which outside bytes may fail. */
function expectOrderly(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (error instanceof BytesError) return;
    if (error instanceof LokiError && error.code === 'corrupt') return;
    throw error;
  }
}

const bytes = fc.uint8Array({ maxLength: 200 });

describe('hostile bytes', () => {
  test('as a column of numbers fail in an orderly way', () => {
    fc.assert(
      fc.property(bytes, fc.nat(60), (raw, count) => {
        expectOrderly(() => readUint32s(new ByteReader(raw), count));
        expectOrderly(() => readFloats(new ByteReader(raw), count));
      }),
      { numRuns: 3000 },
    );
  });

  test('as a dictionary column never give a code without a value or a row beyond the block', () => {
    fc.assert(
      fc.property(bytes, fc.nat(60), fc.nat(2), (raw, rowCount, form) => {
        raw[0] = form;
        expectOrderly(() => {
          const column = new DecodedColumn('x', rowCount, new ByteReader(raw));
          expect(column.codes.length).toBe(rowCount);
          for (const code of column.codes) {
            if (code > 0) expect(typeof column.values[code - 1]).toBe('string');
          }
        });
      }),
      { numRuns: 5000 },
    );
  });

  test('behind a sound checksum, in the footer of a segment, fail in an orderly way', () => {
    const golden = (['record', 'flushed', 'compacted', 'tiny'] as const).map(makeGolden);
    const edit = fc.record({ at: fc.nat(), value: fc.nat(255) });
    fc.assert(
      fc.property(
        fc.constantFrom(...golden),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        (whole, edits) => {
          const damaged = Buffer.from(whole);
          const trailerAt = damaged.length - 16;
          const footerBytes = damaged.readUInt32LE(trailerAt + 4);
          for (const { at, value } of edits) damaged[trailerAt - footerBytes + (at % footerBytes)] = value;
          damaged.writeUInt32LE(crc32c(damaged, trailerAt - footerBytes, trailerAt + 8), trailerAt + 8);
          expectOrderly(() => verifySegment(damaged));
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe('columns round-trip', () => {
  test('numbers of every size, scaled or not', () => {
    const scaled = fc
      .tuple(fc.array(fc.nat(2 ** 20), { maxLength: 40 }), fc.constantFrom(1, 1e3, 1e6, 1e9))
      .map(([values, scale]) => values.map((value) => value * scale));
    const wide = fc.array(fc.maxSafeNat(), { maxLength: 40 });
    fc.assert(
      fc.property(fc.oneof(scaled, wide), (values) => {
        const writer = new ByteWriter();
        writeInts(writer, Float64Array.from(values));
        const reader = new ByteReader(writer.view());
        expect([...readFloats(reader, values.length)]).toEqual(values);
        reader.expectEnd();
        const small = values.map((value) => value % 2 ** 32);
        writer.clear();
        writeInts(writer, Uint32Array.from(small));
        expect([...readUint32s(new ByteReader(writer.view()), small.length)]).toEqual(small);
      }),
      { numRuns: 1000 },
    );
  });

  test('dictionaries dense, sparse and uniform, values of any text', () => {
    const cell = fc.option(fc.constantFrom('', 'a', '\ud83d', '\udc22', 'żółw'), { nil: undefined });
    fc.assert(
      fc.property(
        fc.array(cell, { minLength: 1, maxLength: 50 }),
        fc.boolean(),
        fc.boolean(),
        (cells, isSparse, isSorted) => {
          const rows = cells.flatMap((value, row) => (value === undefined ? [] : [row]));
          if (rows.length === 0) return;
          const values = [...new Set(rows.map((row) => cells[row]!))];
          if (isSorted) values.sort(); // as in stream tables: codes are not in order of appearance
          const all = Uint32Array.from(cells, (value) =>
            value === undefined ? 0 : values.indexOf(value) + 1,
          );
          const column = isSparse
            ? { name: 'k', values, codes: all.filter((code) => code > 0), rows: Uint32Array.from(rows) }
            : { name: 'k', values, codes: all };
          const { bundle } = encodeColumns([column], cells.length);
          const decoded = new DecodedColumn('k', cells.length, new ByteReader(bundle));
          expect(decoded.codes).toEqual(all);
          // A lone surrogate has no UTF-8.
          expect(decoded.values).toEqual(values.map((value) => Buffer.from(value).toString()));
        },
      ),
      { numRuns: 1000 },
    );
  });
});
