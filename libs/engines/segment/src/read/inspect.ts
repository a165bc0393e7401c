/** Sizes of a segment's parts, for `lokictl segment inspect`. */
import type { UnitRef } from '../columns/unit.ts';
import type { SegmentKind } from '../format/types.ts';
import type { StoredBlockInfo } from './block-table.ts';
import { headerBytes, trailerBytes } from './layout.ts';
import { openSegment } from './open.ts';
import type { StoredSection } from './section.ts';

/** Bytes of a column in the object and decompressed. */
interface ColumnSizes {
  readonly name: string;
  storedBytes: number;
  rawBytes: number;
}

/** Figures of one tenant's section, from the footer. Sizes are bytes, times nanoseconds since 1970. */
export interface SectionInspection {
  readonly tenant: string;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly streams: number;
  readonly labelNames: readonly string[];
  readonly blocks: number;
  readonly runs: number;
  readonly rows: number;
  readonly lineBytes: number;
  /** Columns and index. */
  readonly storedBytes: number;
  readonly indexBytes: number;
  /**
   * timestamps, line lengths, lines, search filter, metadata (small keys together), then each large metadata
   * key.
   */
  readonly columns: readonly ColumnSizes[];
  readonly metadataNames: readonly string[];
}

/** Figures of a segment, for operators (`lokictl segment inspect`). Sizes are bytes. */
export interface SegmentInspection {
  readonly kind: SegmentKind;
  readonly version: number;
  readonly sizeBytes: number;
  readonly lineBytes: number;
  readonly rows: number;
  /** Header, table of sections and trailer: the bytes that belong to no section. */
  readonly frameBytes: number;
  readonly sections: readonly SectionInspection[];
}

/**
 * The sizes of a segment's parts, from its footer alone: columns are neither read nor checked.
 *
 * @throws LokiError `corrupt` when the footer is damaged
 */
export function inspectSegment(bytes: Uint8Array, name?: string): SegmentInspection {
  const segment = openSegment(bytes, name);
  const sections = (segment.sections as readonly StoredSection[]).map(inspectSection);
  let [lineBytes, rows, storedBytes] = [0, 0, 0];
  for (const section of sections) {
    lineBytes += section.lineBytes;
    rows += section.rows;
    storedBytes += section.storedBytes;
  }
  const { kind, version, sizeBytes } = segment;
  const frameBytes = Math.max(sizeBytes - storedBytes, headerBytes + trailerBytes);
  return { kind, version, sizeBytes, lineBytes, rows, frameBytes, sections };
}

function inspectSection(section: StoredSection): SectionInspection {
  const columns = sumColumns(section.blocks);
  let [storedBytes, runs] = [section.indexBytes, 0];
  for (const column of columns) storedBytes += column.storedBytes;
  for (const block of section.blocks) runs += block.runCount;
  return {
    tenant: section.tenant,
    minNs: section.minNs,
    maxNs: section.maxNs,
    streams: section.streams.count,
    labelNames: section.labelIndex.names,
    blocks: section.blocks.length,
    runs,
    rows: section.rowCount,
    lineBytes: section.lineBytes,
    storedBytes,
    indexBytes: section.indexBytes,
    columns,
    metadataNames: [...new Set(section.blocks.flatMap((block) => block.metadataNames))].sort(),
  };
}

function sumColumns(blocks: readonly StoredBlockInfo[]): ColumnSizes[] {
  const columns = new Map<string, ColumnSizes>();
  const add = (name: string, unit: UnitRef | undefined) => {
    let sizes = columns.get(name);
    if (!sizes) columns.set(name, (sizes = { name, storedBytes: 0, rawBytes: 0 }));
    sizes.storedBytes += unit?.storedBytes ?? 0;
    sizes.rawBytes += unit?.rawBytes ?? 0;
  };
  for (const { units, metadataNames, isLarge: isOwn } of blocks) {
    add('timestamps', units.timestamps);
    add('line lengths', units.lengths);
    add('lines', units.lines);
    add('search filter', units.filter);
    add('metadata', units.bundle);
    let largeIndex = 0;
    metadataNames.forEach((name, i) => {
      if (isOwn[i]) add(`metadata ${name}`, units.large[largeIndex++]);
    });
  }
  return [...columns.values()];
}
