/** Encodes a batch as records of the write log: step *shard, batch* of a written line. */
import { lowerBound, sliceColumn } from '../columns/slice-column.ts';
import type { RawSection } from '../format/types.ts';
import { encodeSegment } from './encode.ts';

/**
 * Factor on the number of parts that the size requires: parts differ in size, and a second cut would double
 * the cost.
 */
const spareParts = 1.15;

/**
 * Encodes the rows of a batch as one record, or as several when one would exceed `bytesMax`. Rows keep their
 * order. A row that is too large by itself becomes a record of its own, which the log refuses.
 */
export function encodeRecords(sections: readonly RawSection[], bytesMax: number): Buffer[] {
  const bytes = encodeSegment(sections, { kind: 'record' });
  const rowCount = sections.reduce((sum, section) => sum + section.rowCount, 0);
  if (bytes.length <= bytesMax || rowCount < 2) return [bytes];
  const parts = Math.min(rowCount, Math.max(2, Math.ceil((bytes.length / bytesMax) * spareParts)));
  let cut = cutByWeight(sections, parts);
  // One row outweighs all others: cut by number of rows, otherwise no part would become smaller.
  if (cut.length < 2) cut = cutByRows(sections, rowCount >>> 1);
  return cut.flatMap((part) => encodeRecords(part, bytesMax));
}

/** Cuts into about `parts` parts of about the same uncompressed size. */
function cutByWeight(sections: readonly RawSection[], parts: number): RawSection[][] {
  const rowWeights = sections.map(rowWeight);
  let total = 0;
  sections.forEach(({ rowCount, lines }, i) => (total += lines.length + rowCount * rowWeights[i]));
  const partWeight = total / parts;
  const cut: RawSection[][] = [[]];
  let weight = 0;
  sections.forEach((section, i) => {
    const { lineEnds, rowCount } = section;
    let from = 0;
    for (let row = 0; row < rowCount; row++) {
      weight += lineEnds[row] - (row === 0 ? 0 : lineEnds[row - 1]) + rowWeights[i];
      if (weight < partWeight) continue;
      cut.at(-1)!.push(rowsOf(section, from, row + 1));
      cut.push([]);
      from = row + 1;
      weight = 0;
    }
    if (from < rowCount) cut.at(-1)!.push(rowsOf(section, from, rowCount));
  });
  return cut.filter((part) => part.length > 0);
}

/** The weight of a row without its line: its share of all metadata and labels. */
function rowWeight({ rowCount, metadata, streams }: RawSection): number {
  let bytes = 0;
  for (const { names, values } of streams) bytes += textLength(names) + textLength(values);
  for (const { values, codes } of metadata) bytes += textLength(values) + codes.length;
  return 4 + bytes / Math.max(1, rowCount);
}

function textLength(texts: readonly string[]): number {
  let length = 0;
  for (const text of texts) length += text.length;
  return length;
}

/** Cuts into the first `count` rows and the others. */
function cutByRows(sections: readonly RawSection[], count: number): RawSection[][] {
  const [first, second]: RawSection[][] = [[], []];
  let remaining = count;
  for (const section of sections) {
    const portion = Math.min(remaining, section.rowCount);
    if (portion > 0) first.push(rowsOf(section, 0, portion));
    if (portion < section.rowCount) second.push(rowsOf(section, portion, section.rowCount));
    remaining -= portion;
  }
  return [first, second];
}

/** Rows [from, to) as a section of its own, with only their streams and metadata. */
function rowsOf(section: RawSection, from: number, to: number): RawSection {
  const { tenant, baseNs, runStream, runFirstRow, lineEnds } = section;
  if (from === 0 && to === section.rowCount) return section;
  const firstRun = lowerBound(runFirstRow, from + 1) - 1;
  const endRun = lowerBound(runFirstRow, to);
  const firstRow = new Uint32Array(endRun - firstRun + 1);
  const idOf = new Map<number, number>();
  const streams: RawSection['streams'][number][] = [];
  const runs = runStream.slice(firstRun, endRun).map((stream, run) => {
    firstRow[run] = Math.max(0, runFirstRow[firstRun + run] - from);
    let at = idOf.get(stream);
    if (at === undefined) idOf.set(stream, (at = streams.push(section.streams[stream]) - 1));
    return at;
  });
  firstRow[endRun - firstRun] = to - from;
  const start = from === 0 ? 0 : lineEnds[from - 1];
  return {
    tenant,
    streams,
    baseNs,
    rowCount: to - from,
    runStream: runs,
    runFirstRow: firstRow,
    timestamps: section.timestamps.subarray(from, to),
    lineEnds: lineEnds.slice(from, to).map((end) => end - start),
    lines: section.lines.subarray(start, lineEnds[to - 1]),
    metadata: section.metadata.flatMap((column) => sliceColumn(column, from, to) ?? []),
  };
}
