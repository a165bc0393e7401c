/** The types of segments, blocks and their columns, as readers see them. */
import type { Labels, TenantId } from '@loki/model';

/**
 * Runs of a block. A run is consecutive rows of one stream in timestamp order (equal timestamps in order of
 * arrival), without duplicates. In a flushed or compacted segment the runs of a block are sorted by stream,
 * with one run for each stream; in a write-log record runs are in order of arrival.
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
  /** Per row: 0 = absent, else index into `values` + 1. For a sparse column it is built at first use. */
  readonly codes: Uint32Array;
  /**
   * Present for a sparse column only (hostile clients send thousands of keys, each in a few rows): the rows
   * with the key, ascending, and their codes. Prefer these: `codes` takes memory for every row.
   */
  readonly rows?: Uint32Array;
  readonly rowCodes?: Uint32Array;
  /** The code of one row, in the memory that there is: for a few rows of a block. */
  codeAt(row: number): number;
  /** The value of a code above 0. A few values are decoded alone; for many, all of the column are. */
  value(code: number): string;
}

/**
 * All metadata of a block by row. The pairs of row r are at starts[r] .. starts[r+1], sorted by key: key is
 * columns[column[i]], value is columns[column[i]].values[code[i] - 1]. Its size is the number of pairs, not
 * keys times rows.
 */
export interface RowMetadata {
  readonly columns: readonly MetadataColumn[];
  readonly starts: Uint32Array;
  readonly column: Uint32Array;
  readonly code: Uint32Array;
}

/** The footer's data of a block: enough to skip the block or to count its rows without reading it. */
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
  /**
   * Per run: bytes of structured metadata as volumes count them. Undefined in a record, in a section without
   * metadata, and in one of a version that did not state them. Decoded at first use.
   */
  readonly metadataBytes: Float64Array | undefined;
  /** The kind of the block's search filter; 0: none. */
  readonly filterKind: number;
  /** Stored bytes of the block. */
  readonly storedBytes: number;
}

/** The columns of a block, as bits of a mask. */
export const columns = { timestamps: 1, lineLengths: 2, lines: 4, metadata: 8, filter: 16 } as const;
/**
 * A search filter, which helps to skip a block without reading its lines. `kind` defines the bytes; a reader
 * that does not know the kind ignores the filter.
 */
export interface BlockFilter {
  /** 1 .. 2^32-1. */
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** Bits of `columns`, or'ed. */
export type ColumnMask = number;

/**
 * A block with the requested columns; access to another column throws. Each column is decoded at first use,
 * then cached. Line bytes are as the client sent them: usually UTF-8, but not guaranteed.
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
  /** The same as `metadata()`, by row: to print the metadata of a few rows. */
  rowMetadata(): RowMetadata;
  /** The block's search filter, undefined when it was written without one. */
  filter(): BlockFilter | undefined;
  /** Current bytes of the decoded columns; caches count blocks by it. */
  memoryBytes(): number;
  /**
   * Frees the memory of decoded lines at once, for a cache that drops the block: bytes that \`lines()\` has
   * given out may not be used afterwards.
   */
  freeLines(): void;
}

/** The streams of a section. `Runs.stream` refers to their indexes. */
export interface StreamTable {
  readonly count: number;
  /** Decoded at first use, then cached. */
  labels(index: number): Labels;
  /** Unix ns of the stream's oldest and newest row, and its volume, in this section. */
  minNs(index: number): bigint;
  maxNs(index: number): bigint;
  entries(index: number): number;
  lineBytes(index: number): number;
}

/**
 * Inverted index of a section's labels: a matcher is tested once per distinct value, not once per stream.
 * Each label is decoded at first use, then cached.
 */
export interface LabelIndex {
  /** Label names of the section's streams, sorted. */
  readonly names: readonly string[];
  /** Distinct values of a label, sorted; empty when no stream has it. */
  values(name: string): readonly string[];
  /** Streams, ascending, whose label `name` has values(name)[valueIndex]. A view: do not write. */
  streamsWith(name: string, valueIndex: number): Uint32Array;
  /**
   * Per stream: 0 = the stream lacks the label, else index into values(name) + 1. All 0 for an unknown name.
   */
  codes(name: string): Uint32Array;
  /** All labels by stream. Its size is the number of labels, not names times streams. */
  cells(): LabelCells;
}

/**
 * Labels by stream: those of stream s are at starts[s] .. starts[s+1], sorted by name. The name is
 * names[column[i]], and the value is values(name)[code[i] - 1].
 */
export interface LabelCells {
  readonly starts: Uint32Array;
  readonly column: Uint32Array;
  readonly code: Uint32Array;
}

/** The part of a segment that belongs to one tenant. */
export interface Section {
  readonly tenant: TenantId;
  readonly streams: StreamTable;
  readonly labelIndex: LabelIndex;
  readonly blocks: readonly BlockInfo[];
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
}

/**
 * Rows of one tenant before encoding: typed arrays and strings only, so that moving it to a worker is cheap.
 * Rows are in the order of runs. Runs have the invariants of `Runs`.
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
  /**
   * Columns in any order. With `rows` (ascending) a column is sparse and `codes` belongs to these rows; else
   * there is a code for each row.
   */
  readonly metadata: readonly {
    readonly name: string;
    readonly values: readonly string[];
    readonly codes: Uint32Array;
    readonly rows?: Uint32Array;
  }[];
}

/** The origin of a segment: a push batch in the write log, a flush of a partition, a compaction. */
export type SegmentKind = 'record' | 'flushed' | 'compacted';

/** The content of a segment's footer. */
export interface SegmentFooter {
  readonly kind: SegmentKind;
  readonly version: number;
  readonly sizeBytes: number;
  /** Sorted by tenant, each tenant once. */
  readonly sections: readonly Section[];
  section(tenant: string): Section | undefined;
}

/** A segment whose bytes are all in memory. */
export interface Segment extends SegmentFooter {
  readonly bytes: Buffer;
  /** A new view of the block; columns are decoded at first use. */
  block(section: Section, index: number, mask: ColumnMask): Block;
}

export interface FetchOptions {
  readonly signal?: AbortSignal;
  /** With columns.metadata: only these keys are needed. */
  readonly metadataNames?: readonly string[];
}

/** A segment in the object store; only its footer has been read. */
export interface StoredSegment extends SegmentFooter {
  readonly key: string;
  /**
   * Estimated bytes in memory: the object's tail that was read, and the decoded index of the largest section.
   */
  readonly memoryBytes: number;
  fetchBlock(section: Section, index: number, mask: ColumnMask, options?: FetchOptions): Promise<Block>;
  /** Bytes of the object that the columns of a block take; `metadataNames` as in FetchOptions. */
  storedBytes(section: Section, index: number, mask: ColumnMask, metadataNames?: readonly string[]): number;
  /**
   * Reads and decodes blocks; one request reads neighbouring ranges. The result is in the order of `indices`.
   */
  fetchBlocks(
    section: Section,
    indices: readonly number[],
    mask: ColumnMask,
    options?: FetchOptions,
  ): Promise<Block[]>;
}
