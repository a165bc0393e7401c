/** Parameters and results of whole queries. */
import type { LabelPair, TenantId } from '@loki/model';
import type { CheckCancelled, LeafRequest, LeafResult, LeafStats, LogLeafResult } from '@loki/ports';
import type { QueryThread } from './query-thread.ts';

/** A query's tenant, time range, step and limits, validated by the API. All times are Unix nanoseconds. */
export interface QueryParams {
  readonly tenant: TenantId;
  /**
   * Log queries: startNs <= ts < endNs. Metric queries: the first step, and the bound of the last. Instant
   * queries: equal.
   */
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** 0 for instant queries. */
  readonly stepNs: bigint;
  readonly isInstant: boolean;
  readonly direction: 'forward' | 'backward';
  readonly limit: number;
  /** Log queries: at least this much time between two entries; 0: all. */
  readonly intervalNs: bigint;
  /** A query fails when its metric result has more series; 0: no bound. */
  readonly seriesMax: number;
}

/** One result series: value k belongs to startNs + k * stepNs if present[k] is 1. */
interface MatrixSeries {
  readonly labels: readonly LabelPair[];
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/** The result of a query, of Loki's four kinds. Times are nanoseconds since 1970. */
export type QueryResult =
  | { readonly type: 'streams'; readonly rows: LogLeafResult }
  | {
      readonly type: 'matrix';
      readonly startNs: bigint;
      readonly stepNs: bigint;
      readonly steps: number;
      /** Sorted by labels. */
      readonly series: readonly MatrixSeries[];
    }
  | {
      readonly type: 'vector';
      readonly timeNs: bigint;
      /** In the order of the answer: by labels, or by value after a top-level topk, bottomk or sort. */
      readonly samples: readonly { readonly labels: readonly LabelPair[]; readonly value: number }[];
    }
  | { readonly type: 'scalar'; readonly timeNs: bigint; readonly value: number };

/** The answer of `evaluate`, with the summed costs of its leaves. */
export interface QueryOutcome {
  readonly result: QueryResult;
  readonly stats: LeafStats;
  /** Number of leaves that were run. */
  readonly leaves: number;
}

/** Runs one leaf and returns its complete result; the implementation may split and shard it. */
export type RunLeaf = (request: LeafRequest) => Promise<LeafResult>;

/** Limits of an evaluation. */
export interface EvaluateOptions {
  /** Most bytes that a leaf, a merge or the root may hold; 0 or absent: only the engine's own bound. */
  readonly memoryBytesMax?: number;
  /** Whether the experimental `approx_topk` is allowed. */
  readonly isApproxTopkEnabled?: boolean;
  /** Called between operations; throws when the client has gone. */
  readonly checkCancelled?: CheckCancelled;
  /** The thread of the root; absent: a thread of its own. */
  readonly thread?: Pick<QueryThread, 'memory' | 'complete'>;
}
