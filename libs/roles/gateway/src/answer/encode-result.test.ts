/**
 * Protects the thread of a gateway, which tails and pushes need too, from answers that are written in one
 * piece.
 */
import { loadHash } from '@loki/model';
import { logResult, nowNs } from '../test/gateway.ts';
import { encodeLegacy } from './encode-legacy.ts';
import { encodeData } from './encode-result.ts';
import { JsonWriter } from './json-writer.ts';

beforeAll(loadHash);

const parsed = (row: number) =>
  Object.fromEntries(
    Array.from({ length: 20 }, (_, k) => [`field_${String(k).padStart(2, '0')}`, `${row * k}`]),
  );

test.each(['merged', 'categorized'] as const)(
  'an answer of many rows with labels of their own stands still often, %s',
  (encoding) => {
    const rows = Array.from({ length: 1000 }, (_, i) => ({
      ts: nowNs - BigInt(i),
      line: `line ${i}`,
      stream: { app: 'a' },
      parsed: parsed(i),
    }));
    const out = new JsonWriter();
    out.json('{');
    let pieces = 1;
    for (
      const work = encodeData({ type: 'streams', rows: logResult(rows) }, encoding, out);
      !work.next().done;
    ) {
      pieces++;
    }
    out.json('}');
    // 20,000 labels are written, a thousand in a piece; where they make the streams they are gathered before.
    expect(pieces).toBeGreaterThan(encoding === 'merged' ? 36 : 18);
    const { result } = JSON.parse(out.finish().toString()) as {
      result: { stream: Record<string, string>; values: [string, string, { parsed: object }?][] }[];
    };
    const entry = result.find(({ values }) => values.some(([, line]) => line === 'line 7'))!;
    if (encoding === 'merged') {
      expect(result).toHaveLength(1000);
      expect(entry).toEqual({ stream: { app: 'a', ...parsed(7) }, values: [[`${nowNs - 7n}`, 'line 7']] });
    } else {
      expect(result).toHaveLength(1);
      expect(entry.values[7]).toEqual([`${nowNs - 7n}`, 'line 7', { parsed: parsed(7) }]);
    }
  },
);

test('an answer in the shape of the first versions stands still often, too', () => {
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    ts: nowNs - BigInt(i),
    line: `line "${i}"`,
    stream: { app: `a${i % 2}` },
  }));
  const out = new JsonWriter();
  out.json('{');
  let pieces = 1;
  for (const work = encodeLegacy(logResult(rows), out); !work.next().done;) pieces++;
  out.json('}');
  expect(pieces).toBeGreaterThan(10);
  const { streams } = JSON.parse(out.finish().toString()) as {
    streams: { labels: string; entries: { ts: string; line: string }[] }[];
  };
  expect(streams.map(({ labels, entries }) => [labels, entries.length])).toEqual([
    ['{app="a0"}', 1500],
    ['{app="a1"}', 1500],
  ]);
  expect(streams[1].entries[3]).toMatchObject({ line: 'line "7"' });
});

test('long lines are written a quarter of a megabyte at a time', () => {
  const rows = Array.from({ length: 64 }, (_, i) => ({
    ts: nowNs - BigInt(i),
    line: 'x'.repeat(1 << 16),
    stream: { app: 'a' },
  }));
  const piecesOf = (work: Generator<void>): number => [...work].length;
  const result = { type: 'streams', rows: logResult(rows) } as const;
  expect(piecesOf(encodeData(result, 'merged', new JsonWriter()))).toBeGreaterThanOrEqual(12);
  expect(piecesOf(encodeLegacy(result.rows, new JsonWriter()))).toBeGreaterThanOrEqual(12);
});
