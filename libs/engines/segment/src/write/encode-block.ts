/** Encodes and compresses the columns of one block. */
import assert from 'node:assert';
import { ByteWriter } from '@loki/bytes';
import type { ZstdEffort } from '@loki/bytes';
import { freeMemory } from '@loki/model';
import { encodeColumns } from '../columns/dictionary.ts';
import type { RawColumn } from '../columns/dictionary.ts';
import { writeInts } from '../columns/ints.ts';
import { metadataBytesOfRuns } from '../columns/metadata-bytes.ts';
import { columnLevel, emptyUnit, pack } from '../columns/unit.ts';
import { blockLineBytesMax, blockRowsMax } from '../format/format-bounds.ts';
import type { BlockFilter, Runs } from '../format/types.ts';
import type { EncodedBlock } from '../read/block-table.ts';

/** Columns of one block before encoding. Runs have the invariants of `Runs`. */
export interface BlockColumns {
  readonly rowCount: number;
  /** Timestamps are relative to this; it need not be the smallest timestamp. */
  readonly baseNs: bigint;
  readonly runStream: Uint32Array;
  /** runs + 1 */
  readonly runFirstRow: Uint32Array;
  readonly timestamps: Float64Array;
  /** Exclusive ends, relative to `lines`. */
  readonly lineEnds: Uint32Array;
  readonly lines: Uint8Array;
  /** Sorted by name, each with at least one row; dictionaries are in order of first appearance. */
  readonly metadata: readonly RawColumn[];
}

/** Parts of a block that records do without. */
interface BlockIndex {
  readonly filter?: BlockFilter;
  /** Whether the section's index shall state the metadata bytes of the runs. */
  readonly hasMetadataBytes?: boolean;
}

/** Encodes and compresses a block for the layout. The result may share memory with the columns. */
export function encodeBlock(block: BlockColumns, effort: ZstdEffort, index: BlockIndex = {}): EncodedBlock {
  const { rowCount } = block;
  const { filter, hasMetadataBytes = false } = index;
  assert(
    rowCount <= blockRowsMax && block.lines.length <= blockLineBytesMax,
    'a block that readers would refuse',
  );
  const { runs, base } = measureRuns(block);
  const isSingle = rowCount === runs.count;
  const metadata = encodeColumns(block.metadata, rowCount);
  const level = columnLevel(effort);
  return {
    rowCount,
    baseNs: block.baseNs + BigInt(base),
    maxTs: runs.maxTs.reduce((max, ts) => Math.max(max, ts), 0),
    lineBytes: block.lines.length,
    runs,
    metadataNames: block.metadata.map((column) => column.name),
    isLarge: metadata.isLarge,
    metadataBytes: hasMetadataBytes
      ? metadataBytesOfRuns(block.metadata, metadata.valueBytes, block.runFirstRow)
      : undefined,
    filterKind: filter?.kind ?? 0,
    units: {
      lines: pack(block.lines, effort),
      bundle: pack(metadata.bundle, level),
      large: metadata.large.map((raw) => pack(raw, level)),
      // When each run is one row, footer and runs already have lengths and timestamps: small pushes stay
      // small.
      lengths: isSingle ? emptyUnit : pack(encodeLengths(block.lineEnds), level),
      timestamps: isSingle ? emptyUnit : pack(encodeTimestamps(block, runs.count), level),
      filter: filter && pack(filter.bytes, level),
    },
  };
}

/**
 * Frees the compressed units of encoded blocks, after they are laid out. Uncompressed units may share memory
 * with the columns, so they are not freed.
 */
export function freeBlocks(blocks: readonly EncodedBlock[]): void {
  for (const { units } of blocks) {
    const { lines, bundle, large, lengths, timestamps, filter } = units;
    for (const unit of [lines, bundle, ...large, lengths, timestamps, filter]) {
      if (unit?.isCompressed) freeMemory(new Uint8Array(unit.bytes.buffer));
    }
  }
}

/** The footer's data of the runs, relative to the smallest timestamp `base`. */
function measureRuns(block: BlockColumns): { runs: Runs; base: number } {
  const { runStream, runFirstRow, timestamps, lineEnds } = block;
  const count = runStream.length;
  const minTs = new Float64Array(count);
  const maxTs = new Float64Array(count);
  const lineBytes = new Float64Array(count);
  let base = Infinity;
  for (let run = 0; run < count; run++) {
    const [from, to] = [runFirstRow[run], runFirstRow[run + 1]];
    minTs[run] = timestamps[from];
    maxTs[run] = timestamps[to - 1];
    lineBytes[run] = lineEnds[to - 1] - (from === 0 ? 0 : lineEnds[from - 1]);
    if (minTs[run] < base) base = minTs[run];
  }
  for (let run = 0; run < count; run++) {
    minTs[run] -= base;
    maxTs[run] -= base;
  }
  return { runs: { count, stream: runStream, firstRow: runFirstRow, minTs, maxTs, lineBytes }, base };
}

function encodeLengths(ends: Uint32Array): Buffer {
  const lengths = new Uint32Array(ends.length);
  for (let row = 0, start = 0; row < ends.length; row++) {
    lengths[row] = ends[row] - start;
    start = ends[row];
  }
  const writer = new ByteWriter(ends.length * 2 + 16);
  writeInts(writer, lengths);
  return writer.view();
}

/** Encodes differences within runs; the start of each run is stored with the runs. */
function encodeTimestamps(block: BlockColumns, runCount: number): Buffer {
  const { timestamps, runFirstRow } = block;
  const deltas = new Float64Array(block.rowCount - runCount);
  let at = 0;
  for (let run = 0; run < runCount; run++) {
    for (let row = runFirstRow[run] + 1; row < runFirstRow[run + 1]; row++) {
      deltas[at++] = timestamps[row] - timestamps[row - 1];
    }
  }
  const writer = new ByteWriter(deltas.length * 5 + 16);
  writeInts(writer, deltas);
  return writer.view();
}
