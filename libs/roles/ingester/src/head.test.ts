import { usOf } from '@loki/model';
import { FlushedBounds } from './flushed-bounds.ts';
import { Head } from './head.ts';
import { encodeRows, headRecord } from './test/records.ts';

const ns = (ms: number) => 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n;
const text = (app: string) => `{app="${app}", env="test"}`;

describe('the head', () => {
  test('counts what it holds, and holds nothing after everything was dropped', () => {
    let streams = 0;
    const head = new Head((_, difference) => (streams += difference));
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
    const dropped: string[] = [];
    head.dropBelow(4, (tenant, stream, newestUs) => dropped.push(`${tenant} ${stream} ${newestUs}`));
    expect(dropped).toContain(`a ${text('x')} ${usOf(ns(3))}`);
    expect(dropped).toContain(`a ${text('only-0')} ${usOf(ns(0))}`);
    expect(dropped).toHaveLength(5);
    expect(head.records.map((record) => record.offset)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(head.streamCount).toBe(7);
    head.dropBelow(100, () => {});
    expect(head).toMatchObject({ rowCount: 0, lineBytes: 0, memoryBytes: 0, streamCount: 0 });
    expect(head.tenants.size).toBe(0);
    expect(streams).toBe(0);
  });

  test('the newest time of a stream is that of what is left of it', () => {
    const head = new Head();
    for (const [offset, ms] of [50, 10, 30, 20].entries()) {
      head.add(headRecord(offset, encodeRows([{ app: 'x', ns: ns(ms), line: `${ms}` }])));
    }
    expect(head.newestUs('a', text('x'))).toBe(usOf(ns(50)));
    head.dropBelow(1, () => {});
    expect(head.newestUs('a', text('x'))).toBe(usOf(ns(30)));
    expect(head.tenants.get('a')!.get(text('x'))!.newestUs).toEqual([10, 30, 30].map((ms) => usOf(ns(ms))));
  });

  test('a record taken out leaves no trace', () => {
    const head = new Head();
    const records = [1, 2, 3].map((n) => headRecord(n, encodeRows([{ app: `s${n}`, ns: ns(n), line: 'x' }])));
    for (const record of records) head.add(record);
    head.remove(new Set([records[1]]));
    expect([...head.tenants.get('a')!.streams()].map((stream) => stream.text)).toEqual([
      text('s1'),
      text('s3'),
    ]);
    expect(head.rowCount).toBe(2);
  });
});

describe('flushed bounds', () => {
  test('streams that are not remembered share the floor, which rises with what is forgotten', () => {
    const bounds = new FlushedBounds(100, 2);
    expect(bounds.newestUs('a', '{x}')).toBe(100);
    bounds.raise('a', '{x}', 500);
    bounds.raise('a', '{y}', 200);
    expect([bounds.newestUs('a', '{x}'), bounds.newestUs('b', '{x}')]).toEqual([500, 100]);
    bounds.raise('a', '{z}', 300);
    expect([bounds.newestUs('a', '{x}'), bounds.newestUs('new', '{x}')]).toEqual([500, 500]);
  });

  test('what somebody else committed raises everything below it', () => {
    const bounds = new FlushedBounds(Number.NEGATIVE_INFINITY);
    bounds.raise('a', '{x}', 500);
    bounds.raise('a', '{y}', 900);
    bounds.raiseAll(700);
    expect(['{x}', '{y}', '{z}'].map((stream) => bounds.newestUs('a', stream))).toEqual([700, 900, 700]);
  });
});
