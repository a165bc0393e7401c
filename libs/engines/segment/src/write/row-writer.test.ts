import fc from 'fast-check';
import { Labels } from '@loki/model';
import { expectCostGrowth } from '@loki/test-tools';
import { columns } from '../format/types.ts';
import { openSegment } from '../read/open.ts';
import { verifySegment } from '../read/verify.ts';
import { expected, rowsOf, sortedDistinct, writeRows } from '../test/rows.ts';
import type { InputRow } from '../test/rows.ts';
import { encodeSegment } from './encode.ts';
import { RowWriter } from './row-writer.ts';

const app = Labels.fromPairs([['app', 'a']]);

describe('RowWriter', () => {
  test('keeps each distinct row of a run once, in time order, ties as they came', () => {
    const row = fc.record({
      labels: fc.constant<InputRow['labels']>([['app', 'a']]),
      ts: fc.oneof(fc.bigInt({ min: 0n, max: 5n }), fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })),
      line: fc.constantFrom('', 'x', 'y'.repeat(60), 'ł'),
      metadata: fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2')), {
        maxLength: 4,
      }),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
        const sections = writeRows('t', rows);
        const bytes = encodeSegment(sections, { kind: 'record' });
        verifySegment(bytes);
        const segment = openSegment(bytes);
        const got = segment.sections.flatMap((section) => rowsOf(segment, section));
        // Blocks of times months apart come in the order of their first rows; within each, all is in order.
        expect(got.length).toBe(sections.reduce((sum, { rowCount }) => sum + rowCount, 0));
        expect(sortedDistinct(got)).toEqual(sortedDistinct(rows.map(expected)));
        if (sections.length === 1) expect(got).toEqual(sortedDistinct(rows.map(expected)));
      }),
      { numRuns: 500 },
    );
  });

  test('counts rows and bytes, and is empty after finish', () => {
    const writer = new RowWriter('t');
    writer.beginRun(app);
    writer.addRowText(1, 0, 'abc');
    writer.addRowText(1, 0, 'abc');
    writer.addRowText(0, 0, 'z'.repeat(100));
    expect(writer.rowCount).toBe(3);
    expect(writer.endRun()).toBe(1);
    expect(writer.rowCount).toBe(2);
    expect(writer.byteSize).toBeGreaterThan(103);
    expect(writer.byteSize).toBeLessThan(200);
    expect(writer.finish().length).toBe(1);
    expect(writer.rowCount).toBe(0);
    expect(writer.byteSize).toBe(0);
    expect(writer.finish()).toEqual([]);
    writer.beginRun(app);
    expect(writer.endRun()).toBe(0);
    expect(writer.finish()).toEqual([]);
  });

  test('does not mix what its last batch gave away with what comes next', () => {
    const writer = new RowWriter('t');
    const write = (line: string) => {
      writer.beginRun(app);
      writer.addRowText(1, 0, line);
      writer.endRun();
      return writer.finish()[0];
    };
    const first = write('first');
    write('other');
    expect(Buffer.from(first.lines).toString()).toBe('first');
  });

  test('thousands of distinct metadata keys cost their cells, not keys times rows', () => {
    const writer = new RowWriter('t');
    writer.beginRun(app);
    for (let i = 0; i < 20_000; i++) {
      writer.addRowText(1, i, 'x');
      writer.addMetadata(`key_${i}`, 'v');
    }
    writer.endRun();
    const sections = writer.finish();
    let cells = 0;
    for (const { codes, rows } of sections[0].metadata) cells += codes.length + (rows?.length ?? 0);
    expect(cells).toBe(40_000);
    const bytes = encodeSegment(sections, { kind: 'record' });
    expect(bytes.length / 20_000).toBeLessThan(12);
    const segment = openSegment(bytes);
    const block = segment.block(segment.sections[0], 0, columns.metadata);
    const byRow = block.rowMetadata();
    expect(byRow.code.length).toBe(20_000);
    expect(block.memoryBytes()).toBeLessThan(20_000 * 300);
  });

  test('a client that sends the same line thousands of times at one time does not stall it', async () => {
    const prepare = (lines: number) => {
      const writer = new RowWriter('t');
      writer.beginRun(app);
      for (let i = 0; i < 2 * lines; i++) writer.addRowText(1, 0, `line ${i % lines}`);
      return () => expect(writer.endRun()).toBe(lines);
    };
    await expectCostGrowth(prepare, { small: 1_000, large: 25_000 });
  });

  test('refuses calls out of order', () => {
    const writer = new RowWriter('t');
    expect(() => writer.addRowText(1, 0, 'x')).toThrow('beginRun()');
    writer.beginRun(app);
    expect(() => writer.addMetadata('a', 'b')).toThrow('before the first row');
    expect(() => writer.beginRun(app)).toThrow('endRun()');
    expect(() => writer.finish()).toThrow('endRun()');
  });
});

// A buffer takes 30 µs to move to another thread: 50,000 keys held the sender for seconds.
test('metadata of many keys is in few buffers', () => {
  const writer = new RowWriter('a');
  writer.beginRun(Labels.fromPairs([['app', 'x']]));
  for (let row = 0; row < 100; row++) {
    writer.addRowText(1, row, 'x');
    for (let key = 0; key < 30; key++) writer.addMetadata(`k${row}_${key}`, 'v');
  }
  writer.endRun();
  const [{ metadata }] = writer.finish();
  expect(metadata).toHaveLength(3000);
  expect(new Set(metadata.flatMap(({ codes, rows }) => [codes.buffer, rows!.buffer])).size).toBe(2);
});
