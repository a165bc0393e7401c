/** Protects the size of stored segments: of many small streams, and of days that are merged for good. */
import { Labels } from '@loki/model';
import { mergeSegments } from './merge/merge.ts';
import { inspectSegment } from './read/inspect.ts';
import { openSegment } from './read/open.ts';
import { verifySegment } from './read/verify.ts';
import { encodeSegment } from './write/encode.ts';
import { RowWriter } from './write/row-writer.ts';

const rowCount = 100_000;

/** A log line as services write them, and its trace id. */
function makeLines(): { line: string; trace: string }[] {
  let state = 7;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const hex = () =>
    Array.from({ length: 4 }, () =>
      next(2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
  const paths = ['/api/v1/cart', '/api/v1/order', '/healthz', '/login', '/api/v2/items/search'];
  return Array.from({ length: rowCount }, () => ({
    line:
      `level=${next(10) === 0 ? 'error' : 'info'} method=${next(3) === 0 ? 'POST' : 'GET'} path=${paths[next(5)]} ` +
      `status=${next(20) === 0 ? 500 : 200} duration=${next(5000)}ms user=${next(100000)} msg="request finished"`,
    trace: hex(),
  }));
}

/** The lines as `streamCount` streams, flushed as the write path does it: records, then a merge. */
function flushedBytes(lines: { line: string; trace: string }[], streamCount: number): Buffer {
  const perStream = rowCount / streamCount;
  const writer = new RowWriter('t');
  for (let stream = 0; stream < streamCount; stream++) {
    const pod = `checkout-${((stream * 2654435761) >>> 0).toString(36)}`;
    writer.beginRun(
      Labels.fromPairs([
        ['app', 'checkout'],
        ['namespace', 'prod'],
        ['pod', pod],
      ]),
    );
    for (let i = 0; i < perStream; i++) {
      const at = stream * perStream + i;
      writer.addRowText(1_700_000_000 + Math.floor(at / 100), (at * 7919 * 1009) % 1e9, lines[at].line);
      if (at % 4 === 0) writer.addMetadata('trace_id', lines[at].trace);
    }
    writer.endRun();
  }
  const bytes = encodeSegment(writer.finish(), { kind: 'record' });
  return mergeSegments([{ bytes }], { kind: 'flushed' }).bytes;
}

describe('compression', () => {
  test('of 10,000 streams of 10 lines is within 1.25 of one stream of 100,000 lines', () => {
    const lines = makeLines();
    const one = flushedBytes(lines, 1);
    const many = flushedBytes(lines, 10_000);
    verifySegment(many);
    expect(openSegment(many).sections[0].streams.count).toBe(10_000);
    const ratio = many.length / one.length;
    expect(ratio).toBeLessThan(1.25);
  });

  test('of a day that is merged for good takes a tenth less for lines, and no more for the other columns', () => {
    const bytes = flushedBytes(makeLines(), 20);
    const sizesWith = (effort: 1 | 'dense') => {
      const merged = mergeSegments([{ bytes }], { kind: 'compacted', effort });
      verifySegment(merged.bytes);
      expect(merged.rowCount).toBe(rowCount);
      const [{ columns }] = inspectSegment(merged.bytes).sections;
      return new Map(columns.map(({ name, storedBytes }) => [name, storedBytes]));
    };
    const quick = sizesWith(1);
    const dense = sizesWith('dense');
    expect(dense.get('lines')).toBeLessThan(quick.get('lines')! * 0.9);
    for (const [name, storedBytes] of quick) {
      if (name !== 'lines') expect([name, dense.get(name)]).toEqual([name, storedBytes]);
    }
  });
});
