/** The calls between roles: distributor, ingester, querier, stream limits and patterns. */
import type { LabelPair, TenantId } from '@loki/model';
import type { CatalogNews, CatalogNumbers } from './catalog-news.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import type { LeafRequest, LeafResult, PartitionHead } from './leaf.ts';
import type { CachePolicy } from './results-cache.ts';

/**
 * Calls between roles. In one process they are direct; between processes the gRPC clients have the same
 * shape. All fail with LokiErrors, honour `signal`, and have a deadline.
 */

/** The call to a distributor: a push in the form in which the client sent it, not decoded. */
export interface DistributorService {
  /**
   * Decodes, validates, and appends to the write log. The answer goes to the client, with Loki's statuses and
   * texts.
   */
  push(tenant: TenantId, request: HttpRequest): Promise<HttpResponse>;
  /** Number of the tenant's pushes that wait for their turn in this process; absent: unknown. */
  waitingPushes?(tenant: string): number;
}

/** An ingester's answer for the part of a partition that is not committed yet. */
export interface HeadAnswer<T> {
  /** The partition's committed offset W. `result` holds exactly what lies at or above it. */
  readonly committedOffset: number;
  readonly result: T;
}

/**
 * A stream selector and a time range, startNs <= ts < endNs; `selector` is canonical LogQL, '' for
 * everything.
 */
export interface StreamsRequest {
  readonly tenant: TenantId;
  readonly selector: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /**
   * Asks for volumes as Loki counts them, with structured metadata, in buckets cut at multiples of `stepNs`;
   * 0: the whole range is one bucket. This reads the metadata columns; without it only indexes are read.
   */
  readonly volume?: { readonly stepNs: bigint };
  /**
   * The kind of the caller's question, for metrics only: labels or counts. Absent: streams or their volumes.
   */
  readonly purpose?: 'labels' | 'stats';
  /** How the process that has the streams groups them; absent: no grouping. */
  readonly group?: StreamGrouping;
  /**
   * Bounds of heads when the question began: heads whose rows are all younger are not asked. Absent: all
   * are.
   */
  readonly heads?: readonly PartitionHead[];
  /** Absent: no cache is read or written. */
  readonly cache?: CachePolicy;
}

/**
 * Groups streams before they travel: an answer about a hundred apps has a hundred rows, not one for each
 * stream. A process of an earlier version answers with single streams, and the caller groups them.
 */
export interface StreamGrouping {
  /**
   * `name`: one group for each label name, and a stream counts in the groups of all its labels. `labels`: one
   * group for each combination of values of `names`.
   */
  readonly by: 'name' | 'labels';
  /** The labels to group by; absent: all labels. At least one; required with `labels`. */
  readonly names?: readonly string[];
  /** With `name`: each group also lists the values of its label. */
  readonly withValues?: boolean;
}

/** Asks how many line bytes a tenant has stored in [startNs, endNs), by interval. */
export interface StoredBytesRequest {
  readonly tenant: TenantId;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** The range has at most `storedIntervalsMax` intervals. */
  readonly intervalNs: bigint;
}

/** Most intervals of one StoredBytesRequest. */
export const storedIntervalsMax = 10_000;

/** One stream, or one group of streams, with its volume in a time range, in wire form. */
export interface StreamVolume {
  /** For a group: the labels that its streams share; a group of a label name has an empty value. */
  readonly labels: readonly LabelPair[];
  /** Both are 0 for a group when the request did not ask for volumes. */
  readonly entries: number;
  readonly lineBytes: number;
  /** Present only when the request asked for volumes. */
  readonly volume?: VolumeBuckets;
  /** Present only with `withValues`: each value once, in no particular order. */
  readonly values?: readonly string[];
}

/** Bytes by bucket; empty buckets are left out. */
export interface VolumeBuckets {
  /** Ascending; bucket 0 contains the start of the range. */
  readonly bucket: readonly number[];
  readonly bytes: readonly number[];
}

/** A piece of a tail: the entries that arrived since the previous frame. */
export interface TailFrame {
  readonly result: LeafResult;
  /** Entries that were dropped because the subscriber is too slow. */
  readonly dropped: number;
  /**
   * Set by an ingester: all records of the partition below this offset are in this frame or an earlier one.
   */
  readonly nextOffset?: number;
}

/** The calls to an ingester: queries of the heads of its partitions, tails, and the flush command. */
export interface IngesterService {
  /** Partitions this ingester can answer for now (owned and caught up). */
  partitions(): Promise<readonly number[]>;
  /** Waits until the head holds all that was acknowledged before the call. */
  queryHead(partition: number, request: LeafRequest, signal?: AbortSignal): Promise<HeadAnswer<LeafResult>>;
  headStreams(
    partition: number,
    request: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<readonly StreamVolume[]>>;
  /**
   * Offset and oldest row of each partition, once its head holds all that was acknowledged before the call. A
   * partition that this ingester cannot answer for is left out. Absent: an ingester of an earlier version.
   */
  headBounds?(
    partitions: readonly number[],
    tenant: TenantId,
    signal?: AbortSignal,
  ): Promise<readonly PartitionHead[]>;
  /**
   * News of the catalog: manifests that are newer than those of the caller. The ingester uses `numbers`, too:
   * it passes on the numbers of shared logs, and reads manifests of its partitions that others have added.
   * Absent: an ingester of an earlier version.
   */
  catalogNews?(numbers: CatalogNumbers, signal?: AbortSignal): Promise<CatalogNews>;
  /**
   * Entries of a log selection as they arrive. From the first frame on no entry is missed.
   *
   * @param fromOffset the offset at which another owner's frames ended; absent: start now
   */
  tail(
    partition: number,
    request: LeafRequest,
    signal: AbortSignal,
    fromOffset?: number,
  ): AsyncIterable<TailFrame>;
  /** Flushes all heads and waits for the commits. */
  flush(signal?: AbortSignal): Promise<void>;
}

/** The query frontend's questions to queriers. */
export interface QuerierService {
  /** Reads heads and store; each entry counts once. */
  runLeaf(request: LeafRequest, signal?: AbortSignal): Promise<LeafResult>;
  /**
   * Bounds of a tenant's heads now, for the parts of one query: `LeafRequest.heads`. A partition that does
   * not answer is left out. Absent: each part asks heads by itself.
   */
  heads?(tenant: TenantId, signal?: AbortSignal): Promise<readonly PartitionHead[]>;
  /** Streams with entries in the range, labels unique. */
  streams(request: StreamsRequest, signal?: AbortSignal): Promise<readonly StreamVolume[]>;
  /**
   * Line bytes that the tenant has in the store, by interval. The catalog knows them without reading
   * segments. An estimate, for plans.
   */
  storedBytes(request: StoredBytesRequest, signal?: AbortSignal): Promise<readonly number[]>;
  /** As an ingester's tail, over all partitions. */
  tail(request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame>;
}

/**
 * Streams of one tenant that a distributor reports to the counter of the stream limit, as 53-bit hashes of
 * their labels.
 */
export interface StreamClaim {
  readonly tenant: TenantId;
  /** Streams the tenant may have in all. */
  readonly activeMax: number;
  /** Streams that were admitted before and are still in use: they count even beyond the limit. */
  readonly activeStreams: Float64Array;
  /** Streams that are new to this distributor. */
  readonly newStreams: Float64Array;
}

/** The counter of a tenant's streams for all distributors. */
export interface StreamLimitService {
  /** For each claim and each requested stream: 1 when it is admitted now or was before, else 0. */
  claim(claims: readonly StreamClaim[], signal?: AbortSignal): Promise<readonly Uint8Array[]>;
}

/** Patterns of the lines of selected streams, startNs <= ts < endNs, counted by steps. */
export interface PatternsRequest {
  readonly tenant: TenantId;
  readonly selector: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Rounded down to whole 10 s, at least 10 s. */
  readonly stepNs: bigint;
}

/**
 * A pattern in LogQL's form, `<_>` for the parts that differ, with its lines by step: [Unix seconds, lines].
 */
export interface PatternSeries {
  readonly pattern: string;
  readonly level: string;
  readonly samples: readonly (readonly [seconds: number, lines: number])[];
}

/** The port to the patterns of recent lines, in this or another process. */
export interface PatternService {
  /** Patterns with their counts, the most frequent first. */
  patterns(request: PatternsRequest, signal?: AbortSignal): Promise<readonly PatternSeries[]>;
}
