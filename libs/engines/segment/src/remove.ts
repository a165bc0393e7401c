import { zstdLevelDefault } from '@loki/bytes';
import { assemble } from './assemble.ts';
import type { EncodedSection } from './assemble.ts';
import type { EncodedBlock, StoredBlockInfo } from './block-table.ts';
import { unitsIn } from './block.ts';
import type { StoredBlock } from './block.ts';
import { corrupt, unnamed } from './corrupt.ts';
import type { RawColumn } from './dictionary.ts';
import { encodeBlock } from './encode-block.ts';
import { OpenSegment } from './open.ts';
import type { StoredSection } from './section.ts';
import { fittingColumn } from './slice-column.ts';
import { columns } from './types.ts';
import { isIntact } from './unit.ts';
import type { PackedUnit, UnitRef } from './unit.ts';

/** Rows to leave out of one block, ascending. */
interface RemovedRows {
  readonly tenant: string;
  readonly block: number;
  readonly rows: Uint32Array;
}

interface RemoveOptions {
  /** zstd level of the blocks that change; default 1. */
  readonly level?: number;
  /** Stands in errors. */
  readonly name?: string;
}

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata | columns.filter;

/**
 * The same segment without some rows. Blocks that keep all of theirs are moved as they are; one that loses
 * some keeps its search filter, which then only names more than there is; blocks, streams and
 * sections without rows go. A segment without sections is left when nothing is.
 *
 * @throws LokiError `corrupt` when a unit that is to be moved or decoded is damaged
 */
export function removeRows(
  bytes: Uint8Array,
  removed: readonly RemovedRows[],
  options: RemoveOptions = {},
): Buffer {
  const { level = zstdLevelDefault, name = unnamed } = options;
  const segment = new OpenSegment(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), name);
  const sections: EncodedSection[] = [];
  for (const section of segment.sections) {
    const dropped = new Map<number, Uint32Array>();
    for (const { tenant, block, rows } of removed) {
      if (tenant === section.tenant && rows.length > 0) dropped.set(block, rows);
    }
    const blocks: EncodedBlock[] = [];
    for (const info of section.blocks) {
      const rows = dropped.get(info.index);
      const block = rows
        ? withoutRows(segment, { section, info }, rows, level)
        : asStored(segment, section, info);
      if (block) blocks.push(block);
    }
    if (blocks.length > 0) sections.push(renumberStreams(section, blocks));
  }
  return assemble(sections, segment.kind, level).bytes;
}

/**
 * A segment with the section of one tenant alone. Its blocks are moved as they are.
 *
 * @throws LokiError `corrupt` when a unit is damaged
 */
export function sectionOf(bytes: Uint8Array, tenant: string, name = unnamed): Buffer {
  const segment = new OpenSegment(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), name);
  const sections = segment.sections
    .filter((section) => section.tenant === tenant)
    .map((section) =>
      renumberStreams(
        section,
        section.blocks.map((info) => asStored(segment, section, info)),
      ),
    );
  return assemble(sections, segment.kind, zstdLevelDefault).bytes;
}

/** A block whose stored units are moved, not decoded; their checksums are checked all the same. */
function asStored(segment: OpenSegment, section: StoredSection, info: StoredBlockInfo): EncodedBlock {
  const source = unitsIn(segment.bytes);
  const { units } = info;
  const move = (what: string, unit: UnitRef): PackedUnit => {
    const bytes = source(unit)!;
    if (!isIntact(unit, bytes)) {
      throw corrupt(
        segment.name,
        `${section.where}: block ${info.index}: ${what}`,
        'the checksum does not match',
      );
    }
    return { bytes, rawBytes: unit.rawBytes, isCompressed: unit.isCompressed };
  };
  return {
    rowCount: info.rowCount,
    baseNs: info.baseNs,
    maxTs: info.maxTs,
    lineBytes: info.lineBytes,
    runs: info.runs,
    metadataNames: info.metadataNames,
    isOwn: info.isOwn,
    filterKind: info.filterKind,
    units: {
      lines: move('lines', units.lines),
      bundle: move('metadata', units.bundle),
      own: units.own.map((unit) => move('metadata', unit)),
      lengths: move('line lengths', units.lengths),
      timestamps: move('timestamps', units.timestamps),
      filter: units.filter && move('search filter', units.filter),
    },
  };
}

function withoutRows(
  segment: OpenSegment,
  { section, info }: { readonly section: StoredSection; readonly info: StoredBlockInfo },
  dropped: Uint32Array,
  level: number,
): EncodedBlock | undefined {
  const block = segment.block(section, info.index, all) as StoredBlock;
  const { runs, rowCount } = info;
  const rowAfter = rowsAfter(dropped, rowCount);
  const left = rowCount - dropped.length;
  if (left === 0) return undefined;
  const [times, ends, lines] = [block.timestamps(), block.lineEnds(), block.lines()];
  const timestamps = new Float64Array(left);
  const lineEnds = new Uint32Array(left);
  const keptLines = Buffer.allocUnsafe(info.lineBytes);
  const runStream: number[] = [];
  const runFirstRow: number[] = [];
  let [at, lineAt] = [0, 0];
  for (let run = 0; run < runs.count; run++) {
    const first = at;
    for (let row = runs.firstRow[run]; row < runs.firstRow[run + 1]; row++) {
      if (rowAfter[row] < 0) continue;
      lineAt += lines.copy(keptLines, lineAt, row === 0 ? 0 : ends[row - 1], ends[row]);
      timestamps[at] = times[row];
      lineEnds[at++] = lineAt;
    }
    if (at === first) continue;
    runStream.push(runs.stream[run]);
    runFirstRow.push(first);
  }
  return encodeBlock(
    {
      rowCount: left,
      baseNs: info.baseNs,
      runStream: Uint32Array.from(runStream),
      runFirstRow: Uint32Array.from([...runFirstRow, left]),
      timestamps,
      lineEnds,
      lines: keptLines.subarray(0, lineAt),
      metadata: block.decodedColumns().flatMap((column) => {
        const { name, values, rows, rowCodes } = column;
        return filterColumn({ name, values, rows, codes: rowCodes ?? column.codes }, rowAfter, left) ?? [];
      }),
    },
    level,
    block.filter(),
  );
}

/** Per row its place among those left, or -1. */
function rowsAfter(dropped: Uint32Array, rowCount: number): Int32Array {
  const after = new Int32Array(rowCount);
  let next = 0;
  for (let row = 0, at = 0; row < rowCount; row++) {
    if (at < dropped.length && dropped[at] === row) {
      after[row] = -1;
      at++;
    } else after[row] = next++;
  }
  if (rowCount - next !== dropped.length) {
    throw new RangeError(`rows to remove are not ascending, or beyond ${rowCount}`);
  }
  return after;
}

function filterColumn(column: RawColumn, rowAfter: Int32Array, rowCount: number): RawColumn | undefined {
  const { codes, rows } = column;
  const remap = new Uint32Array(column.values.length + 1);
  const values: string[] = [];
  const keptRows = new Uint32Array(codes.length);
  const keptCodes = new Uint32Array(codes.length);
  let present = 0;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    const row = rowAfter[rows ? rows[i] : i];
    if (code === 0 || row < 0) continue;
    if (remap[code] === 0) remap[code] = values.push(column.values[code - 1]);
    keptRows[present] = row;
    keptCodes[present++] = remap[code];
  }
  if (present === 0) return undefined;
  return fittingColumn(column.name, values, rowCount, {
    codes: keptCodes.subarray(0, present),
    rows: keptRows.subarray(0, present),
    present,
    firstRow: 0,
  });
}

/** Drops streams without runs from the table; the others keep their order. */
function renumberStreams(section: StoredSection, blocks: readonly EncodedBlock[]): EncodedSection {
  const isUsed = new Uint8Array(section.streams.count);
  for (const { runs } of blocks) for (const stream of runs.stream) isUsed[stream] = 1;
  const streamAfter = new Uint32Array(isUsed.length);
  const streams: EncodedSection['streams'][number][] = [];
  for (let stream = 0; stream < isUsed.length; stream++) {
    if (!isUsed[stream]) continue;
    const { names, values } = section.streams.labels(stream);
    streamAfter[stream] = streams.push({ names, values }) - 1;
  }
  if (streams.length === isUsed.length) return { tenant: section.tenant, streams, blocks };
  const renumbered = blocks.map((block) => {
    const stream = block.runs.stream.map((old) => streamAfter[old]);
    return { ...block, runs: { ...block.runs, stream } };
  });
  return { tenant: section.tenant, streams, blocks: renumbered };
}
