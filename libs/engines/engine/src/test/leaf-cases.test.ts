import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLeafResult } from '@loki/ports';
import type { LeafSource } from '../leaf/open-section.ts';
import { runLog, segmentOf } from './blocks.ts';
import type { TestRow } from './blocks.ts';

// Protects log leaves: they answer what the reference answered, recorded query by recorded query. The
// rows are as the distributor hands them on, with service names and levels found.

interface Stream {
  readonly stream: Record<string, string>;
  readonly values: readonly (readonly [ts: string, line: string, more?: unknown])[];
}

interface Case {
  readonly id: string;
  readonly query: string;
  readonly start: string;
  readonly end: string;
  readonly limit: number;
  readonly direction: 'forward' | 'backward';
  readonly categorized: boolean;
  readonly streams: readonly Stream[];
}

function readLines<T>(name: string): T[] {
  const text = readFileSync(join(__dirname, '../testdata', name), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** Any whole hour does. */
const t0Ns = 1_699_999_200_000_000_000n;

const pushes = readLines<{
  labels: Record<string, string>;
  rows: [offset: number, line: string, metadata: Record<string, string>][];
}>('leaf-rows.jsonl').map(({ labels, rows }) =>
  rows.map(([offset, line, metadata]): TestRow => ({ labels, ts: t0Ns + BigInt(offset), line, metadata })),
);

/** The rows as a head holds them, as one flushed segment, and as one of tiny blocks. */
const layouts: readonly { name: string; sources: () => LeafSource[] }[] = [
  { name: 'records', sources: () => pushes.map((rows) => ({ kind: 'bytes', bytes: segmentOf(rows) })) },
  { name: 'one segment', sources: () => [{ kind: 'bytes', bytes: segmentOf(mergedByStream()) }] },
  { name: 'small blocks', sources: () => [{ kind: 'bytes', bytes: segmentOf(mergedByStream(), 1000) }] },
];

function mergedByStream(): TestRow[] {
  const streams = new Map<string, TestRow[]>();
  for (const rows of pushes) {
    const key = JSON.stringify(rows[0].labels);
    streams.set(key, [...(streams.get(key) ?? []), ...rows]);
  }
  return [...streams.values()].flat();
}

function streamsOf(result: LogLeafResult, categorized: boolean): Map<string, unknown[]> {
  const streams = new Map<string, unknown[]>();
  const lines = Buffer.from(result.lines);
  result.timestampNs.forEach((ts, i) => {
    const { stream, structuredMetadata, parsed } = result.labelSets[result.labelSet[i]];
    const shown = categorized ? stream : [...stream, ...structuredMetadata, ...parsed];
    const line = lines.toString('utf8', i === 0 ? 0 : result.lineEnds[i - 1], result.lineEnds[i]);
    const more: Record<string, unknown> = {};
    if (structuredMetadata.length > 0) more.structuredMetadata = Object.fromEntries(structuredMetadata);
    if (parsed.length > 0) more.parsed = Object.fromEntries(parsed);
    const key = keyOf(Object.fromEntries(shown));
    const values = streams.get(key) ?? [];
    values.push([String(ts - t0Ns), line, ...(categorized ? [more] : [])]);
    streams.set(key, values);
  });
  return streams;
}

function keyOf(labels: Record<string, string>): string {
  return JSON.stringify(Object.entries(labels).sort((a, b) => (a[0] < b[0] ? -1 : 1)));
}

describe.each(layouts)('recorded answers from $name', ({ sources }) => {
  const opened = sources();

  test.each(readLines<Case>('leaf-cases.jsonl').map((each) => [each.id, each.query, each] as const))(
    '%s %s',
    async (_id, _query, { query, start, end, limit, direction, categorized, streams }) => {
      const result = await runLog(
        { expr: query, startNs: t0Ns + BigInt(start), endNs: t0Ns + BigInt(end), limit, direction },
        opened,
      );
      const expected = new Map(streams.map(({ stream, values }) => [keyOf(stream), values]));
      expect(Object.fromEntries(streamsOf(result, categorized))).toEqual(Object.fromEntries(expected));
    },
  );
});
