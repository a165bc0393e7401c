import type { Labels, TenantId } from '@loki/model';

/**
 * Runs of a block: each a stretch of rows of one stream, rows in timestamp order within the run (equal timestamps in
 * order of arrival), no entry twice. In a flushed or compacted segment the runs of a block are sorted by stream, and
 * a stream has one run in a block; in a write-log record runs come as they came.
 */
export interface Runs {
  readonly count: number;
  /** Per run: index into the section's stream table. */
  readonly stream: Uint32Array;
  /** count + 1 values; run r has rows firstRow[r] .. firstRow[r+1]. */
  readonly firstRow: Uint32Array;
  /** Per run, ns relative to the block's baseNs, inclusive. */
  readonly minTs: Float64Array;
  readonly maxTs: Float64Array;
  /** Per run: sum of line lengths. */
  readonly lineBytes: Float64Array;
}

/** A structured-metadata key of a block, dictionary-coded. */
export interface MetadataColumn {
  readonly name: string;
  /** Distinct values of this block, in order of first appearance. */
  readonly values: readonly string[];
  /** Per row: 0 = absent, else index into `values` + 1. */
  readonly codes: Uint32Array;
}

/** What the footer says of a block: enough to skip it, and to count it, without reading it. */
export interface BlockInfo {
  readonly index: number;
  readonly rowCount: number;
  /** All of the block's timestamps are relative to this; a block spans less than 2^53 ns (104 days). */
  readonly baseNs: bigint;
  /** ns relative to baseNs, inclusive. */
  readonly minTs: number;
  readonly maxTs: number;
  readonly runs: Runs;
  /** Uncompressed line bytes. */
  readonly lineBytes: number;
  /** Names of the metadata columns, sorted. */
  readonly metadataNames: readonly string[];
  /** Bytes this block takes in the object. */
  readonly storedBytes: number;
}

/** Columns of a block that can be asked for, as bits. */
export const columns = { timestamps: 1, lineLengths: 2, lines: 4, metadata: 8 } as const;
/** Bits of `columns`, or'ed. */
export type ColumnMask = number;

/**
 * A decoded block. Only the columns asked for are there; touching another throws. Each is decoded at first use and
 * kept. Line bytes are what the client sent: usually UTF-8, not promised.
 */
export interface Block {
  readonly info: BlockInfo;
  /** rowCount values, ns relative to info.baseNs. */
  timestamps(): Float64Array;
  /** rowCount exclusive ends: row i is lines()[ends[i-1] .. ends[i]). */
  lineEnds(): Uint32Array;
  lines(): Buffer;
  /** Sorted by name. */
  metadata(): readonly MetadataColumn[];
  /** Only the column `name`, undefined when the block has none. Cheaper than `metadata()`. */
  metadataColumn(name: string): MetadataColumn | undefined;
  /** Bytes of memory the decoded columns take now; caches weigh blocks by it. */
  memoryBytes(): number;
}

/** The streams of a section. Index i is what `Runs.stream` refers to. */
export interface StreamTable {
  readonly count: number;
  /** Decoded at first use, kept. */
  labels(index: number): Labels;
  /** Unix ns of the stream's oldest and newest row, and its volume, in this section. */
  minNs(index: number): bigint;
  maxNs(index: number): bigint;
  entries(index: number): number;
  lineBytes(index: number): number;
}

/** One tenant's share of a segment. */
export interface Section {
  readonly tenant: TenantId;
  readonly streams: StreamTable;
  readonly blocks: readonly BlockInfo[];
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
}

/**
 * Rows of one tenant before encoding: typed arrays and strings only, so that it moves to a worker at no cost.
 * Row order is run order. Runs have the invariants of `Runs` already.
 */
export interface RawSection {
  readonly tenant: string;
  /** Sorted label names and values of each stream. */
  readonly streams: readonly { readonly names: readonly string[]; readonly values: readonly string[] }[];
  readonly baseNs: bigint;
  readonly rowCount: number;
  readonly runStream: Uint32Array;
  /** runs + 1 */
  readonly runFirstRow: Uint32Array;
  /** ns relative to baseNs. */
  readonly timestamps: Float64Array;
  readonly lineEnds: Uint32Array;
  readonly lines: Uint8Array;
  readonly metadata: readonly {
    readonly name: string;
    readonly values: readonly string[];
    readonly codes: Uint32Array;
  }[];
}
