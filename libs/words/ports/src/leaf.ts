/** Requests and results of leaves, the parts of a query that read rows: steps *plan* to *merge*. */
import type { LabelPair, TenantId } from '@loki/model';
import type { CachePolicy } from './results-cache.ts';

/** The part of the streams that a leaf covers: those whose hash modulo `of` is `index`. */
export interface StreamShard {
  readonly index: number;
  readonly of: number;
}

/**
 * Rows that are stored but not answered: the rows with startNs <= ts < endNs that `expr` selects. They are
 * deletes that the compactor has not carried out yet, and rows past their retention.
 */
export interface LeafDelete {
  /** A log query. Unlike a leaf's query it may select every stream (`{}`). */
  readonly expr: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Streams of these selectors are not affected. */
  readonly except?: readonly string[];
}

/** Tells which part of one partition a tenant's query finds in memory, and which in the store. */
export interface PartitionHead {
  readonly partition: number;
  /** The partition's committed offset W. */
  readonly committedOffset: number;
  /** No row of the tenant at or above W is older; undefined: there is no row. */
  readonly oldestNs: bigint | undefined;
}

interface LeafRequestBase {
  readonly tenant: TenantId;
  /**
   * Canonical LogQL of this leaf alone. Executors parse it again, and cache the compiled plan under this
   * text.
   */
  readonly expr: string;
  readonly shard?: StreamShard;
  /** Rows that the answer must leave out. */
  readonly deletes?: readonly LeafDelete[];
  /** Most bytes of partial state in one process, merges of results included; absent: no limit. */
  readonly memoryBytesMax?: number;
  /** Absent: no cache is read or written. */
  readonly cache?: CachePolicy;
  /**
   * Bounds of heads when the query began, for queriers: a head without rows of the leaf's time is not asked,
   * and its partition is read from the store up to the offset stated here. The querier asks the heads of
   * partitions that are not listed.
   */
  readonly heads?: readonly PartitionHead[];
  /** Dry run: only indexes are read. The result is empty, and its stats say how much the leaf would read. */
  readonly isDryRun?: boolean;
}

/** Log lines with startNs <= ts < endNs, at most `limit`, first in `direction` order. */
export interface LogLeafRequest extends LeafRequestBase {
  readonly kind: 'log';
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly direction: 'forward' | 'backward';
  /** 0: no limit (deletes, exports). */
  readonly limit: number;
}

/**
 * One range aggregation, possibly inside one additive vector aggregation that is computed beside the data
 * (`sum by (app) (rate(…))`). Steps stand at startNs, startNs + stepNs … <= endNs; stepNs 0 means one step at
 * startNs. The sample at step t covers (t - offset - range, t - offset].
 */
export interface SampleLeafRequest extends LeafRequestBase {
  readonly kind: 'samples';
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepNs: bigint;
  /** The leaf fails when its own result has more series than this. 0: no bound. */
  readonly seriesMax: number;
}

/** One leaf of a query: log lines, or partial samples of one range aggregation. */
export type LeafRequest = LogLeafRequest | SampleLeafRequest;

/**
 * The stream that rows came from, before the pipeline changed labels. It breaks ties between equal
 * timestamps.
 */
export interface StreamOrigin {
  readonly hash: bigint;
  /** The stream's own labels, the last tie-breaker. */
  readonly text: string;
}

/** The labels of result rows, shared by all rows with the same labels. */
export interface LabelSet {
  /** Index labels after the pipeline (label_format, drop and keep may have changed them). */
  readonly stream: readonly LabelPair[];
  readonly structuredMetadata: readonly LabelPair[];
  readonly parsed: readonly LabelPair[];
  /**
   * All sets of a stream share one origin object in the process that made them, and so do unchanged `stream`
   * arrays: a copy between threads then clones each once.
   */
  readonly origin: StreamOrigin;
}

/**
 * Result rows as columns, in the request's direction; equal timestamps by stream hash, stream text, then
 * arrival.
 */
export interface LogLeafResult {
  readonly kind: 'log';
  readonly labelSets: readonly LabelSet[];
  /** Per row: index into `labelSets`. */
  readonly labelSet: Uint32Array;
  readonly timestampNs: BigInt64Array;
  /** Exclusive ends into `lines`. */
  readonly lineEnds: Uint32Array;
  readonly lines: Uint8Array;
  readonly stats: LeafStats;
}

/**
 * Partial state of one series; states of the same series from other leaves merge with it. The operation
 * defines the columns (count: one column of sums; stddev: count, mean, M2 …).
 */
export interface SeriesState {
  readonly labels: readonly LabelPair[];
  /** Each of length `steps`; empty when `samples` is set. */
  readonly columns: readonly Float64Array[];
  /** Replaces columns for operations that need every value: quantiles and rates of counters. */
  readonly samples?: SeriesSamples;
}

/**
 * The samples of a series that are in any of the request's windows. Each sample is here once, even if several
 * windows contain it. The root slides the windows over them.
 */
export interface SeriesSamples {
  /** Nanoseconds from the request's startNs, ascending; equal times in order of arrival. */
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/**
 * The result of a sample leaf: partial states of its series. Columns have one entry for each of the `steps`.
 */
export interface SampleLeafResult {
  readonly kind: 'samples';
  readonly steps: number;
  readonly series: readonly SeriesState[];
  readonly stats: LeafStats;
}

/** The answer to a LeafRequest of the same kind. */
export type LeafResult = LogLeafResult | SampleLeafResult;

/** The cost of a leaf. All fields are additive. */
export interface LeafStats {
  /** Segments and records whose footer was read. */
  segments: number;
  blocksMatched: number;
  /** Blocks that were not read, because a search filter or the index could answer or rule out. */
  blocksSkipped: number;
  /** The blocks among `blocksSkipped` that search filters ruled out. */
  blocksRuledOut: number;
  /**
   * Set in dry runs only: blocks that the index ruled out by time, and blocks without rows of the selected
   * streams.
   */
  blocksOutOfTime: number;
  blocksOfOtherStreams: number;
  linesProcessed: number;
  linesMatched: number;
  /** Uncompressed bytes of these lines, including lines that were only counted. */
  lineBytes: number;
  /** Structured metadata of the rows whose metadata was read: 8 bytes for each pair, as Loki counts them. */
  metadataBytes: number;
  compressedBytes: number;
  /** The shares of the above that came from the heads of ingesters, not from the store. */
  headLines: number;
  headLineBytes: number;
  headLinesMatched: number;
  headMetadataBytes: number;
  /**
   * Milliseconds during which requests to the store were in progress, summed; 0 when no clock measures them.
   */
  fetchMs: number;
  /** Requests to a results cache, the keys in them, and the keys that were found or stored. */
  cacheRequests: number;
  cacheEntriesRequested: number;
  cacheEntriesFound: number;
  cacheEntriesStored: number;
  cacheBytesReceived: number;
  cacheBytesSent: number;
  cacheMs: number;
  /** Nanoseconds of the query's range that came from a results cache. */
  cacheServedNs: number;
}

/** Stats with all fields 0: the start of a sum. */
export function emptyLeafStats(): LeafStats {
  return {
    segments: 0,
    blocksMatched: 0,
    blocksSkipped: 0,
    blocksRuledOut: 0,
    blocksOutOfTime: 0,
    blocksOfOtherStreams: 0,
    linesProcessed: 0,
    linesMatched: 0,
    lineBytes: 0,
    metadataBytes: 0,
    compressedBytes: 0,
    headLines: 0,
    headLineBytes: 0,
    headLinesMatched: 0,
    headMetadataBytes: 0,
    fetchMs: 0,
    cacheRequests: 0,
    cacheEntriesRequested: 0,
    cacheEntriesFound: 0,
    cacheEntriesStored: 0,
    cacheBytesReceived: 0,
    cacheBytesSent: 0,
    cacheMs: 0,
    cacheServedNs: 0,
  };
}

/** Adds `addend` to `total`, in place. */
export function addLeafStats(total: LeafStats, addend: LeafStats): void {
  for (const key of Object.keys(total) as (keyof LeafStats)[]) total[key] += addend[key];
}

/** The result of a log leaf without rows. */
export function emptyLogResult(): LogLeafResult {
  return {
    kind: 'log',
    labelSets: [],
    labelSet: new Uint32Array(0),
    timestampNs: new BigInt64Array(0),
    lineEnds: new Uint32Array(0),
    lines: new Uint8Array(0),
    stats: emptyLeafStats(),
  };
}
