import type { LabelPair, TenantId } from '@loki/model';
import type { CheckCancelled, LeafRequest, LeafResult, LeafStats, LogLeafResult } from '@loki/ports';
import type { QueryThread } from './query-thread.ts';

/** The parameters of a query. */
export interface QueryParams {
  readonly tenant: TenantId;
  /**
   * Log queries: startNs <= ts < endNs. Metric queries: first step, and the bound of the last. Instant: both
   * the same.
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
  /** More series than this in a metric result fail the query; 0: no bound. */
  readonly seriesMax: number;
}

/** One result series: value k stands at startNs + k * stepNs where present[k] is 1. */
interface MatrixSeries {
  readonly labels: readonly LabelPair[];
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/** The value of a query in Loki's four kinds. Times are nanoseconds since 1970. */
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
      /** In answer order: by labels, or by value under a top-level topk, bottomk or sort. */
      readonly samples: readonly { readonly labels: readonly LabelPair[]; readonly value: number }[];
    }
  | { readonly type: 'scalar'; readonly timeNs: bigint; readonly value: number };

/** The answer of `evaluate`, with the summed costs of its leaves. */
export interface QueryOutcome {
  readonly result: QueryResult;
  readonly stats: LeafStats;
  /** Leaves that were run. */
  readonly leaves: number;
}

/** Runs one leaf to its whole answer; splitting and sharding hide behind it. */
export type RunLeaf = (request: LeafRequest) => Promise<LeafResult>;

/** The caller's limits on computing the answer. */
export interface EvaluateOptions {
  /** Bytes that a leaf, a merge or the root may hold; 0 or absent: nothing but the engine's own bound. */
  readonly memoryBytesMax?: number;
  /** `approx_topk` is an experiment that has to be allowed. */
  readonly isApproxTopkEnabled?: boolean;
  /** Asked between operations: whoever waited may have left. */
  readonly checkCancelled?: CheckCancelled;
  /** Where the root computes; absent: a thread of its own. */
  readonly thread?: Pick<QueryThread, 'memory' | 'complete'>;
}
