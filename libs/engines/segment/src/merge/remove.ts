/** Removes rows and sections from a segment: step *delete, expire* of a stored day. */
import { zstdLevelDefault } from '@loki/bytes';
import type { ZstdEffort } from '@loki/bytes';
import type { RawColumn } from '../columns/dictionary.ts';
import { metadataBytesOfDecoded } from '../columns/metadata-bytes.ts';
import { fittingColumn } from '../columns/slice-column.ts';
import { columnLevel, isIntact } from '../columns/unit.ts';
import type { PackedUnit, UnitRef } from '../columns/unit.ts';
import { corrupt, unnamed } from '../format/corrupt.ts';
import { columns } from '../format/types.ts';
import type { EncodedBlock, StoredBlockInfo } from '../read/block-table.ts';
import { unitsIn } from '../read/block.ts';
import type { StoredBlock } from '../read/block.ts';
import { OpenSegment } from '../read/open.ts';
import type { StoredSection } from '../read/section.ts';
import { assemble } from '../write/assemble.ts';
import type { EncodedSection } from '../write/assemble.ts';
import { encodeBlock } from '../write/encode-block.ts';

/** Rows to remove from one block, ascending. */
interface RemovedRows {
  readonly tenant: string;
  readonly block: number;
  readonly rows: Uint32Array;
}

interface RemoveOptions {
  /** Of changed blocks; default level 1. */
  readonly effort?: ZstdEffort;
  /** The segment's name in errors. */
  readonly name?: string;
}

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata | columns.filter;

/**
 * The segment without some rows. Blocks that lose no row are copied unchanged. A block that loses some keeps
 * its search filter, which then may have superfluous marks. Blocks, streams and sections without rows are
 * dropped; the result may have no sections.
 *
 * @throws LokiError `corrupt` when a unit that is copied or decoded is damaged
 */
export function removeRows(
  bytes: Uint8Array,
  removed: readonly RemovedRows[],
  options: RemoveOptions = {},
): Buffer {
  const { effort = zstdLevelDefault, name = unnamed } = options;
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
        ? withoutRows(segment, { section, info }, rows, effort)
        : asStored(segment, section, info);
      if (block) blocks.push(block);
    }
    if (blocks.length > 0) sections.push(renumberStreams(section, blocks));
  }
  return assemble(sections, segment.kind, columnLevel(effort)).bytes;
}

/**
 * A segment with only the section of one tenant. Its blocks are copied unchanged.
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

/** A block whose stored units are copied, not decoded; their checksums are checked. */
function asStored(segment: OpenSegment, section: StoredSection, info: StoredBlockInfo): EncodedBlock {
  const source = unitsIn(segment.bytes);
  const { units } = info;
  const move = (subject: string, unit: UnitRef): PackedUnit => {
    const bytes = source(unit)!;
    if (!isIntact(unit, bytes)) {
      throw corrupt(
        segment.name,
        `${section.place}: block ${info.index}: ${subject}`,
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
    isLarge: info.isLarge,
    metadataBytes: metadataBytesOf(segment, section, info),
    filterKind: info.filterKind,
    units: {
      lines: move('lines', units.lines),
      bundle: move('metadata', units.bundle),
      large: units.large.map((unit) => move('metadata', unit)),
      lengths: move('line lengths', units.lengths),
      timestamps: move('timestamps', units.timestamps),
      filter: units.filter && move('search filter', units.filter),
    },
  };
}

/** The metadata bytes of a block's runs: as stated, or counted where a version before did not state them. */
function metadataBytesOf(
  segment: OpenSegment,
  section: StoredSection,
  info: StoredBlockInfo,
): Float64Array | undefined {
  if (segment.kind === 'record') return undefined;
  if (info.metadataBytes) return info.metadataBytes;
  const block = segment.block(section, info.index, columns.metadata) as StoredBlock;
  return metadataBytesOfDecoded(block.decodedColumns(), info.runs.firstRow);
}

function withoutRows(
  segment: OpenSegment,
  { section, info }: { readonly section: StoredSection; readonly info: StoredBlockInfo },
  dropped: Uint32Array,
  effort: ZstdEffort,
): EncodedBlock | undefined {
  const block = segment.block(section, info.index, all) as StoredBlock;
  const { runs, rowCount } = info;
  const rowAfter = rowsAfter(dropped, rowCount);
  const rowCountAfter = rowCount - dropped.length;
  if (rowCountAfter === 0) return undefined;
  const [times, ends, lines] = [block.timestamps(), block.lineEnds(), block.lines()];
  const timestamps = new Float64Array(rowCountAfter);
  const lineEnds = new Uint32Array(rowCountAfter);
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
      rowCount: rowCountAfter,
      baseNs: info.baseNs,
      runStream: Uint32Array.from(runStream),
      runFirstRow: Uint32Array.from([...runFirstRow, rowCountAfter]),
      timestamps,
      lineEnds,
      lines: keptLines.subarray(0, lineAt),
      metadata: block.decodedColumns().flatMap((column) => {
        const { name, values, rows, rowCodes } = column;
        return (
          filterColumn({ name, values, rows, codes: rowCodes ?? column.codes }, rowAfter, rowCountAfter) ?? []
        );
      }),
    },
    effort,
    { filter: block.filter(), hasMetadataBytes: segment.kind !== 'record' },
  );
}

/** For each row its place among the remaining rows, or -1. */
function rowsAfter(dropped: Uint32Array, rowCount: number): Int32Array {
  const places = new Int32Array(rowCount);
  let next = 0;
  for (let row = 0, at = 0; row < rowCount; row++) {
    if (at < dropped.length && dropped[at] === row) {
      places[row] = -1;
      at++;
    } else places[row] = next++;
  }
  if (rowCount - next !== dropped.length) {
    throw new RangeError(`rows to remove are not ascending, or beyond ${rowCount}`);
  }
  return places;
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

/** Removes streams without runs from the table; the others keep their order. */
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
