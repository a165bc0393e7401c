// For tests: segments as plain rows, and the naive ways to make, sort and compare them.
import { Labels } from '@loki/model';
import { columns } from '../format/types.ts';
import type { Section, Segment, RawSection } from '../format/types.ts';
import { RowWriter } from '../write/row-writer.ts';

export const allColumns = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

export interface Row {
  readonly labels: string;
  readonly ts: bigint;
  readonly line: string;
  /** Sorted `name=value`. */
  readonly metadata: readonly string[];
}

/** A row to write: labels and metadata as pairs. */
export interface InputRow {
  readonly labels: readonly (readonly [string, string])[];
  readonly ts: bigint;
  readonly line: string;
  readonly metadata: readonly (readonly [string, string])[];
}

/** Rows of a section in stored order. */
export function rowsOf(segment: Segment, section: Section): Row[] {
  const rows: Row[] = [];
  for (const { index, runs, baseNs } of section.blocks) {
    const block = segment.block(section, index, allColumns);
    const [times, ends, lines] = [block.timestamps(), block.lineEnds(), block.lines()];
    const metadata = block.metadata();
    for (let run = 0; run < runs.count; run++) {
      const labels = section.streams.labels(runs.stream[run]).toString();
      for (let row = runs.firstRow[run]; row < runs.firstRow[run + 1]; row++) {
        rows.push({
          labels,
          ts: baseNs + BigInt(times[row]),
          line: lines.toString('utf8', row === 0 ? 0 : ends[row - 1], ends[row]),
          metadata: metadata.flatMap(({ name, values, codes }) =>
            codes[row] === 0 ? [] : [`${name}=${values[codes[row] - 1]}`],
          ),
        });
      }
    }
  }
  return rows;
}

/** Writes rows as runs of neighbours with equal labels. */
export function writeRows(tenant: string, rows: readonly InputRow[]): RawSection[] {
  const writer = new RowWriter(tenant);
  rows.forEach(({ labels, ts, line, metadata }, i) => {
    const text = Labels.fromPairs(labels).toString();
    if (i === 0 || Labels.fromPairs(rows[i - 1].labels).toString() !== text) {
      if (i > 0) writer.endRun();
      writer.beginRun(Labels.fromPairs(labels));
    }
    let seconds = ts / 1_000_000_000n;
    if (seconds * 1_000_000_000n > ts) seconds--;
    writer.addRowText(Number(seconds), Number(ts - seconds * 1_000_000_000n), line);
    for (const [name, value] of metadata) writer.addMetadata(name, value);
  });
  if (rows.length > 0) writer.endRun();
  return writer.finish();
}

/** The row as it is read back. */
export function expected(row: InputRow): Row {
  return {
    labels: Labels.fromPairs(row.labels).toString(),
    ts: row.ts,
    line: row.line,
    metadata: [...new Map(row.metadata)].map(([name, value]) => `${name}=${value}`).sort(byBytes),
  };
}

/** Sorted by era, stream, then time, stable; each distinct row once. */
export function sortedDistinct(rows: readonly Row[]): Row[] {
  const sorted = [...rows].sort(
    (a, b) =>
      eraOf(a.ts) - eraOf(b.ts) || byBytes(a.labels, b.labels) || (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0),
  );
  const seen = new Set<string>();
  return sorted.filter((row) => {
    const key = JSON.stringify([row.labels, String(row.ts), row.line, row.metadata]);
    return !seen.has(key) && seen.add(key);
  });
}

export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Which 2^53 ns since 1970. */
export function eraOf(ns: bigint): number {
  return Number(ns >> 53n);
}
