/**
 * Protects the metadata bytes of runs in the index: they are those of the rows, and older readers skip them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ByteReader, ByteWriter, crc32c, zstdDecompress } from '@loki/bytes';
import { readPacked, writePacked } from './columns/unit.ts';
import { mergeSegments } from './merge/merge.ts';
import { removeRows, sectionOf } from './merge/remove.ts';
import { openSegment } from './read/open.ts';
import { verifySegment } from './read/verify.ts';
import { rowsOf, writeRows } from './test/rows.ts';
import type { InputRow } from './test/rows.ts';
import { encodeSegment } from './write/encode.ts';

const golden = (name: string) => readFileSync(join(__dirname, `../testdata/v1-${name}.segment`));

const texts = fc.oneof(
  // Names as values, and one value of several keys.
  fc.constantFrom('', 'a', 'key', 'info', 'żółw', '\u{1f422}', '\ud800'),
  fc.nat({ max: 99 }).map((n) => `${n}`.padStart(16, '0')),
);
const row = fc.record({
  labels: fc.constantFrom<InputRow['labels']>([['app', 'a']], [['app', 'b']]),
  ts: fc.bigInt({ min: 0n, max: 1000n }),
  line: fc.constantFrom('x', 'a line', 'another, a little longer one'),
  metadata: fc.array(fc.tuple(fc.constantFrom('a', 'key', 'trace', 'ü'), texts), { maxLength: 4 }),
});

/** 8 bytes a pair, and each distinct name and value once. */
function naive(metadata: readonly (readonly string[])[]): number {
  const pairs = metadata.flat().flatMap((pair) => {
    const at = pair.indexOf('=');
    return at === pair.length - 1 ? [] : [[pair.slice(0, at), pair.slice(at + 1)]];
  });
  const distinct = new Set(pairs.flat());
  return pairs.length * 8 + [...distinct].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** For each run of the segment: the stated bytes, and those of its rows. */
function statedAndCounted(bytes: Uint8Array): { stated: (number | undefined)[]; counted: number[] } {
  const segment = openSegment(bytes);
  const stated: (number | undefined)[] = [];
  const counted: number[] = [];
  for (const section of segment.sections) {
    const rows = rowsOf(segment, section);
    let at = 0;
    for (const { runs, metadataBytes } of section.blocks) {
      for (let run = 0; run < runs.count; run++) {
        const metadata = rows.slice(at + runs.firstRow[run], at + runs.firstRow[run + 1]);
        stated.push(metadataBytes?.[run]);
        counted.push(naive(metadata.map((each) => each.metadata)));
      }
      at += runs.firstRow[runs.count];
    }
  }
  return { stated, counted };
}

function expectStated(bytes: Uint8Array): void {
  const { stated, counted } = statedAndCounted(bytes);
  if (counted.every((each) => each === 0)) return;
  expect(stated).toEqual(counted);
}

test('the index of merged segments, and of those that lost rows, states what the rows have', () => {
  const rows = fc.array(row, { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(rows, fc.constantFrom(30, 1 << 20), fc.nat(), (input, blockBytes, choice) => {
      const record = encodeSegment(writeRows('t', input), { kind: 'record' });
      expect(statedAndCounted(record).stated.every((each) => each === undefined)).toBe(true);
      const { bytes } = mergeSegments([{ bytes: record }], { kind: 'flushed', blockBytes });
      expectStated(bytes);
      verifySegment(bytes);
      const { blocks } = openSegment(bytes).sections[0];
      const block = choice % blocks.length;
      const removed = Uint32Array.of(choice % blocks[block].rowCount);
      expectStated(removeRows(bytes, [{ tenant: 't', block, rows: removed }]));
    }),
    { numRuns: 200 },
  );
});

test.each(['flushed', 'compacted', 'filtered'])(
  'golden file %s, of a writer that did not state them, is read, and states them once it is written anew',
  (name) => {
    const bytes = golden(name);
    expect(statedAndCounted(bytes).stated.every((each) => each === undefined)).toBe(true);
    const { tenant } = openSegment(bytes).sections[0];
    const anew = sectionOf(bytes, tenant);
    expect(statedAndCounted(anew).stated).toContainEqual(expect.any(Number));
    expectStated(anew);
    expectStated(mergeSegments([{ bytes }], { kind: 'compacted' }).bytes);
  },
);

test('golden file summed states what its rows have', () => {
  expect(statedAndCounted(golden('summed')).stated).toContainEqual(expect.any(Number));
  expectStated(golden('summed'));
});

test('a reader that does not know of an annex decompresses the part before it', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 400 }),
      fc.uint8Array({ maxLength: 300 }),
      (raw, annex) => {
        const writer = new ByteWriter(16);
        writePacked(writer, raw, 1, annex);
        const part = readPacked(new ByteReader(writer.view()), 400);
        // The call of the versions before.
        expect(zstdDecompress(part.bytes, part.rawBytes).equals(raw)).toBe(true);
      },
    ),
  );
});

test('a wrong figure is found by a verification', () => {
  const bytes = golden('summed');
  const annexAt = bytes.indexOf(Buffer.of(0x50, 0x2a, 0x4d, 0x18));
  const annexEnd = annexAt + 8 + bytes.readUInt32LE(annexAt + 4);
  const trailerAt = bytes.length - 16;
  // The first section is that of three rows in one run: the column has one value, in its last byte.
  bytes[annexEnd - 1] ^= 1;
  const footerAt = trailerAt - bytes.readUInt32LE(trailerAt + 4);
  bytes.writeUInt32LE(crc32c(bytes, footerAt, trailerAt + 8), trailerAt + 8);
  expect(() => verifySegment(bytes)).toThrow('the metadata bytes of a run are not those of its rows');
});
