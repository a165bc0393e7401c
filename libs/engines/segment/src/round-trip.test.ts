import { Labels, parseTenantId } from '@loki/model';
import { columns } from './format/types.ts';
import { openSegment } from './read/open.ts';
import { encodeSegment } from './write/encode.ts';
import { RowWriter } from './write/row-writer.ts';

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

describe('a segment', () => {
  test('gives back the rows of several tenants and streams', () => {
    const writer = new RowWriter('one');
    writer.beginRun(
      Labels.fromPairs([
        ['app', 'a'],
        ['pod', 'x'],
      ]),
    );
    writer.addRowText(1700000000, 5, 'second');
    writer.addMetadata('trace', 't1');
    writer.addRowText(1700000000, 1, 'first żółw');
    writer.addMetadata('level', 'info');
    writer.addMetadata('trace', 't2');
    expect(writer.endRun()).toBe(0);
    writer.beginRun(Labels.fromPairs([['app', 'b']]));
    writer.addRow(1700000001, 0, Buffer.from('..abc..'), 2, 5);
    writer.addRow(1700000001, 0, Buffer.from('..abc..'), 2, 5);
    expect(writer.endRun()).toBe(1);
    expect(writer.rowCount).toBe(3);
    const other = new RowWriter('another');
    other.beginRun(Labels.fromPairs([['app', 'a']]));
    other.addRowText(-5, 999999999, '');
    other.endRun();
    const bytes = encodeSegment([...writer.finish(), ...other.finish()], { kind: 'record' });
    const segment = openSegment(bytes);
    expect(segment.kind).toBe('record');
    expect(segment.sections.map((s) => s.tenant)).toEqual(['another', 'one']);
    const section = segment.section(parseTenantId('one'))!;
    expect(section.minNs).toBe(1700000000000000001n);
    expect(section.maxNs).toBe(1700000001000000000n);
    expect(section.streams.labels(0).toString()).toBe('{app="a", pod="x"}');
    expect(section.streams.labels(1).toString()).toBe('{app="b"}');
    expect(section.labelIndex.names).toEqual(['app', 'pod']);
    expect([...section.labelIndex.streamsWith('app', 1)]).toEqual([1]);
    expect([...section.labelIndex.streamsWith('pod', 0)]).toEqual([0]);
    const block = segment.block(section, 0, all);
    expect([...block.timestamps()]).toEqual([0, 4, 999999999]);
    expect(block.lines().toString()).toBe('first żółwsecondabc');
    expect([...block.lineEnds()]).toEqual([13, 19, 22]);
    expect(block.info.metadataNames).toEqual(['level', 'trace']);
    expect(block.metadataColumn('trace')!.values).toEqual(['t2', 't1']);
    expect([...block.metadataColumn('trace')!.codes]).toEqual([1, 2, 0]);
    expect([...block.metadataColumn('level')!.codes]).toEqual([1, 0, 0]);
    const by = block.rowMetadata();
    expect([...by.starts]).toEqual([0, 2, 3, 3]);
    const first = segment.section('another')!;
    expect(first.minNs).toBe(-4000000001n);
    expect(segment.block(first, 0, all).lines().length).toBe(0);
  });

  test('gives the metadata of one row alone as it gives all of it', () => {
    const writer = new RowWriter('one');
    writer.beginRun(Labels.fromPairs([['app', 'a']]));
    const rowCount = 900;
    for (let row = 0; row < rowCount; row++) {
      writer.addRowText(1700000000 + row, 0, `line ${row}`);
      writer.addMetadata('dense', `żółw ${row % 50}`);
      if (row % 2 === 0) writer.addMetadata('empty', '');
      if (row % 300 === 7) writer.addMetadata('sparse', `🐢${row}`);
      writer.addMetadata('trace', `${row}`.padStart(32, '0'));
      writer.addMetadata('uniform', 'same');
    }
    writer.endRun();
    const bytes = encodeSegment(writer.finish(), { kind: 'record' });
    const open = () => {
      const segment = openSegment(bytes);
      return segment.block(segment.section('one')!, 0, all);
    };
    const whole = open();
    for (const name of whole.info.metadataNames) {
      const { codes, values } = whole.metadataColumn(name)!;
      // Every seventh row first, in a column of which nothing is decoded yet; then all, again and again.
      const column = open().metadataColumn(name)!;
      for (const step of [7, 1, 1]) {
        for (let row = 0; row < rowCount; row += step) {
          const code = column.codeAt(row);
          expect(code).toBe(codes[row]);
          if (code > 0) expect(column.value(code)).toBe(values[code - 1]);
        }
      }
    }
  });

  test('of a one-line push costs at most 100 bytes beyond its text', () => {
    const writer = new RowWriter('tenant-1');
    writer.beginRun(
      Labels.fromPairs([
        ['app', 'checkout'],
        ['namespace', 'prod'],
        ['pod', 'checkout-7d9f8b6c5-x2k4j'],
        ['service_name', 'checkout'],
      ]),
    );
    const line = 'level=info msg="request done" path=/api/v1/cart status=200 took=12ms';
    writer.addRowText(1700000000, 123456789, line);
    writer.addMetadata('detected_level', 'info');
    writer.endRun();
    const bytes = encodeSegment(writer.finish(), { kind: 'record' });
    const text =
      'tenant-1appcheckoutnamespaceprodpodcheckout-7d9f8b6c5-x2k4jservice_namecheckoutdetected_levelinfo';
    expect(bytes.length).toBeLessThan(text.length + line.length + 100);
  });
});
