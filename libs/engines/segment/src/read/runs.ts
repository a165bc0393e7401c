/** The runs of a section's footer: which rows of a block belong to which stream. */
import { ByteWriter, BytesError, zstdLevelDefault } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { readFloats, readUint32s, writeInts } from '../columns/ints.ts';
import { openPacked, readPacked, writePacked } from '../columns/unit.ts';
import { runsMax } from '../format/format-bounds.ts';
import type { Runs } from '../format/types.ts';

/** The footer's data of a block besides its runs, for checks of the runs. */
interface RunsOwner {
  readonly rowCount: number;
  readonly runCount: number;
  readonly maxTs: number;
  readonly lineBytes: number;
}

/**
 * Runs of all blocks of a section, column by column: neighbouring values are similar, and all blocks are
 * decoded together.
 */
export function encodeRuns(blocks: readonly { readonly runs: Runs }[]): Buffer {
  let count = 0;
  for (const { runs } of blocks) count += runs.count;
  const stream = new Float64Array(count);
  const rows = new Uint32Array(count);
  const minTs = new Float64Array(count);
  const span = new Float64Array(count);
  const lineBytes = new Float64Array(count);
  let at = 0;
  let previous = -1;
  for (const { runs } of blocks) {
    for (let run = 0; run < runs.count; run++, at++) {
      // The next stream is the most likely one: it becomes 0.
      const step = runs.stream[run] - previous - 1;
      stream[at] = step >= 0 ? step * 2 : -step * 2 - 1;
      previous = runs.stream[run];
      rows[at] = runs.firstRow[run + 1] - runs.firstRow[run];
      minTs[at] = runs.minTs[run];
      span[at] = runs.maxTs[run] - runs.minTs[run];
      lineBytes[at] = runs.lineBytes[run];
    }
  }
  const writer = new ByteWriter(count * 12 + 16);
  for (const column of [stream, rows, minTs, span, lineBytes]) writeInts(writer, column);
  return writer.view();
}

/** The inverse of `encodeRuns`; throws BytesError when the runs do not add up to their blocks. */
export function decodeRuns(reader: ByteReader, blocks: readonly RunsOwner[], streamCount: number): Runs[] {
  let count = 0;
  for (const block of blocks) count += block.runCount;
  if (count > runsMax) throw new BytesError(`${count} runs are more than ${runsMax}`);
  const stream = decodeStreams(readFloats(reader, count), streamCount);
  const rows = readUint32s(reader, count);
  const minTs = readFloats(reader, count);
  const maxTs = readFloats(reader, count);
  const lineBytes = readFloats(reader, count);
  reader.expectEnd();
  const firstRow = new Uint32Array(count + blocks.length);
  let from = 0;
  return blocks.map((block, index) => {
    const to = from + block.runCount;
    const firstAt = from + index;
    let row = 0;
    let bytes = 0;
    let min = Infinity;
    let max = 0;
    for (let run = from, out = firstAt; run < to; run++) {
      if (rows[run] === 0) throw new BytesError(`block ${index} has an empty run`);
      firstRow[++out] = row += rows[run];
      bytes += lineBytes[run];
      maxTs[run] += minTs[run];
      if (minTs[run] < min) min = minTs[run];
      if (maxTs[run] > max) max = maxTs[run];
    }
    if (row !== block.rowCount || bytes !== block.lineBytes || min !== 0 || max !== block.maxTs) {
      throw new BytesError(`runs do not add up to block ${index}`);
    }
    const runs: Runs = {
      count: block.runCount,
      stream: stream.subarray(from, to),
      firstRow: firstRow.subarray(firstAt, firstAt + block.runCount + 1),
      minTs: minTs.subarray(from, to),
      maxTs: maxTs.subarray(from, to),
      lineBytes: lineBytes.subarray(from, to),
    };
    from = to;
    return runs;
  });
}

/** Encodes the metadata bytes of all runs: the annex of the runs. Each block must state them. */
export function encodeMetadataBytes(blocks: readonly { readonly metadataBytes?: Float64Array }[]): Buffer {
  let count = 0;
  for (const { metadataBytes } of blocks) count += metadataBytes!.length;
  const all = new Float64Array(count);
  let at = 0;
  for (const { metadataBytes } of blocks) {
    all.set(metadataBytes!, at);
    at += metadataBytes!.length;
  }
  const column = new ByteWriter(count * 4 + 16);
  writeInts(column, all);
  const writer = new ByteWriter(column.length + 16);
  writePacked(writer, column.view(), zstdLevelDefault);
  return writer.view();
}

/** The inverse of `encodeMetadataBytes`, by block. */
export function decodeMetadataBytes(reader: ByteReader, blocks: readonly RunsOwner[]): Float64Array[] {
  let count = 0;
  for (const block of blocks) count += block.runCount;
  const column = openPacked(readPacked(reader, count * 8 + 16));
  const all = readFloats(column, count);
  column.expectEnd();
  let at = 0;
  return blocks.map(({ runCount }) => all.subarray(at, (at += runCount)));
}

function decodeStreams(steps: Float64Array, streamCount: number): Uint32Array {
  const stream = new Uint32Array(steps.length);
  let previous = -1;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] % 2 === 0 ? steps[i] / 2 : -(steps[i] + 1) / 2;
    previous += step + 1;
    if (!(previous >= 0 && previous < streamCount)) {
      throw new BytesError(`run of stream ${previous} of ${streamCount}`);
    }
    stream[i] = previous;
  }
  return stream;
}
