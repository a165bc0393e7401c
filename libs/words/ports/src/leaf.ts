import type { LabelPair, TenantId } from '@loki/model';
import type { CachePolicy } from './results-cache.ts';

/** The part of the streams that a leaf covers: those whose hash modulo `of` is `index`. */
export interface StreamShard {
  readonly index: number;
  readonly of: number;
}

/**
 * Rows that are not answered although they are still stored: those that `expr` selects with startNs <= ts <
 * endNs. Deletes that the compactor has not carried out yet, and rows past their retention.
 */
export interface LeafDelete {
  /** A log query; other than that of a leaf it may select every stream (`{}`). */
  readonly expr: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Selectors whose streams are spared. */
  readonly except?: readonly string[];
}

interface LeafRequestBase {
  readonly tenant: TenantId;
  /**
   * Canonical LogQL of this leaf alone; executors parse it again, and cache what they compile by this text.
   */
  readonly expr: string;
  readonly shard?: StreamShard;
  /** Rows that the answer leaves out. */
  readonly deletes?: readonly LeafDelete[];
  /**
   * Bytes of partial state that the leaf may hold in one place, its results' merges included; absent: no
   * limit.
   */
  readonly memoryBytesMax?: number;
  /** Absent: nothing is answered from a cache, nor kept. */
  readonly cache?: CachePolicy;
  /** Nothing is read but indexes: the result is empty, and its stats say what the leaf would read. */
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
 * One range aggregation, perhaps inside one additive vector aggregation that is computed where the data is
 * (`sum by (app) (rate(…))`). Steps stand at startNs, startNs + stepNs … <= endNs; stepNs 0 means one step at
 * startNs. The sample at step t covers (t - offset - range, t - offset].
 */
export interface SampleLeafRequest extends LeafRequestBase {
  readonly kind: 'samples';
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepNs: bigint;
  /** More series than this in the leaf's own result fail the query. 0: no bound. */
  readonly seriesMax: number;
}

/** One leaf of a query: log lines, or partial samples of one range aggregation. */
export type LeafRequest = LogLeafRequest | SampleLeafRequest;

/** The stream that rows came from, as it was before the pipeline: breaks ties between equal timestamps. */
export interface StreamOrigin {
  readonly hash: bigint;
  /** The stream's own labels, the last tie-breaker. */
  readonly text: string;
}

/** The labels of result rows, once for all rows that share them. */
export interface LabelSet {
  /** Index labels after the pipeline (label_format, drop and keep may have changed them). */
  readonly stream: readonly LabelPair[];
  readonly structuredMetadata: readonly LabelPair[];
  readonly parsed: readonly LabelPair[];
  /**
   * One object for all sets of a stream where they were made, like `stream` where it is unchanged: threads
   * copy it once.
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
 * Partial state of one series, mergeable with the same series from elsewhere. The contents of the columns are
 * the engine's business and follow from the leaf's operation (count: one column of sums; stddev: count, mean,
 * M2 …).
 */
export interface SeriesState {
  readonly labels: readonly LabelPair[];
  /** Each of length `steps`; none where samples are kept. */
  readonly columns: readonly Float64Array[];
  /** Instead of columns, for operations that need every value: quantiles, and counters' rates. */
  readonly samples?: SeriesSamples;
}

/**
 * The samples of a series in any of the request's windows: each once, however many windows it is in. The root
 * slides over them.
 */
export interface SeriesSamples {
  /** Nanoseconds from the request's startNs, ascending; equal times as they came. */
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Partial states of the series of a sample leaf, one column entry for each of its `steps`. */
export interface SampleLeafResult {
  readonly kind: 'samples';
  readonly steps: number;
  readonly series: readonly SeriesState[];
  readonly stats: LeafStats;
}

/** The answer to a LeafRequest of the same kind. */
export type LeafResult = LogLeafResult | SampleLeafResult;

/** The cost of a leaf. All additive. */
export interface LeafStats {
  /** Segments and records whose footer was looked at. */
  segments: number;
  blocksMatched: number;
  /** Blocks a search filter or the index alone could answer or rule out. */
  blocksSkipped: number;
  /** Those of them that search filters ruled out. */
  blocksRuledOut: number;
  /**
   * Dry runs alone: blocks that the directory ruled out by time, and those without a run of the selected
   * streams.
   */
  blocksOutOfTime: number;
  blocksOfOtherStreams: number;
  linesProcessed: number;
  linesMatched: number;
  /** Uncompressed bytes of these lines, whether they were read or counted only. */
  lineBytes: number;
  /** Of rows whose metadata was looked at: 8 bytes for each pair, as Loki counts them. */
  metadataBytes: number;
  compressedBytes: number;
  /** The shares of the above that came from memory, not from the store. */
  headLines: number;
  headLineBytes: number;
  headLinesMatched: number;
  headMetadataBytes: number;
  /**
   * Milliseconds for which requests to the store were under way, added up; 0 where no clock measures them.
   */
  fetchMs: number;
  /** Times a results cache was asked, for how many parts, and how many it had or was given. */
  cacheRequests: number;
  cacheEntriesRequested: number;
  cacheEntriesFound: number;
  cacheEntriesStored: number;
  cacheBytesReceived: number;
  cacheBytesSent: number;
  cacheMs: number;
  /** Nanoseconds of the range that came from a results cache. */
  cacheServedNs: number;
}

/** The cost of nothing: the start of a sum. */
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

/** Adds `more` to `total`, in place. */
export function addLeafStats(total: LeafStats, more: LeafStats): void {
  for (const key of Object.keys(total) as (keyof LeafStats)[]) total[key] += more[key];
}
