import type { LabelPair, TenantId } from '@loki/model';
import type { HttpRequest, HttpResponse } from './http.ts';
import type { LeafRequest, LeafResult } from './leaf.ts';
import type { CachePolicy } from './results-cache.ts';

/**
 * Calls between roles. In one process they are direct; between processes the gRPC clients have the same
 * shape. All fail with LokiErrors, honour `signal`, and have a deadline.
 */

/** The call to a distributor: a push in the form in which the client sent it, not decoded. */
export interface DistributorService {
  /**
   * Decodes, validates, appends to the write log; the answer is what the client gets, statuses and texts as
   * Loki's.
   */
  push(tenant: TenantId, request: HttpRequest): Promise<HttpResponse>;
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
   * Asks for volumes as Loki counts them, structured metadata included, by buckets cut at multiples of
   * `stepNs`; 0: the whole range is one bucket. Costs a look at the metadata columns; without it nothing but
   * directories is read.
   */
  readonly volume?: { readonly stepNs: bigint };
  /** The caller's question, for metrics alone: labels, or counts; absent: streams, or their volumes. */
  readonly purpose?: 'labels' | 'stats';
  /** How streams are put together where they are; absent: each stands by itself. */
  readonly group?: StreamGrouping;
  /** Absent: nothing is answered from a cache, nor kept. */
  readonly cache?: CachePolicy;
}

/**
 * Puts streams together before they travel: an answer about a hundred apps costs a hundred rows, not one for
 * each stream. A process of an earlier version answers with single streams, which whoever asks puts together.
 */
export interface StreamGrouping {
  /** `name`: a stream counts for the name of each of its labels; `labels`: for its values of `names`. */
  readonly by: 'name' | 'labels';
  /** Other labels do not count; absent: all do. At least one; `labels` needs them. */
  readonly names?: readonly string[];
  /** With `name`: each group lists the values of its label. */
  readonly withValues?: boolean;
}

/** Asks how many line bytes a tenant has stored in [startNs, endNs), by interval. */
export interface StoredBytesRequest {
  readonly tenant: TenantId;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** At most `storedIntervalsMax` of them. */
  readonly intervalNs: bigint;
}

/** Most intervals that one such request may have. */
export const storedIntervalsMax = 10_000;

/** One stream, or one group of streams, with its volume in a time range, in wire form. */
export interface StreamVolume {
  /** Of a group: those that its streams have in common; a label's name alone has an empty value. */
  readonly labels: readonly LabelPair[];
  /** Of a group without volumes nothing is counted: both are 0. */
  readonly entries: number;
  readonly lineBytes: number;
  /** Only when the request asked for volumes. */
  readonly volume?: VolumeBuckets;
  /** Only of a group that lists them: each value once, in no order. */
  readonly values?: readonly string[];
}

/** Bytes by bucket; buckets without any are left out. */
export interface VolumeBuckets {
  /** Ascending; bucket 0 is the one that the range starts in. */
  readonly bucket: readonly number[];
  readonly bytes: readonly number[];
}

/** A piece of a tail: entries that came since the frame before it. */
export interface TailFrame {
  readonly result: LeafResult;
  /** Entries the subscriber was too slow for. */
  readonly dropped: number;
  /** Of an ingester: all records of the partition below it are in this frame or an earlier one. */
  readonly nextOffset?: number;
}

/** The calls to an ingester: the heads of the partitions that it owns, tails, and the command to flush. */
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
   * Entries of a log selection as they arrive. The first frame says that nothing is missed from now on.
   *
   * @param fromOffset goes on where another owner's frames have ended; absent: begins now
   */
  tail(
    partition: number,
    request: LeafRequest,
    signal: AbortSignal,
    fromOffset?: number,
  ): AsyncIterable<TailFrame>;
  /** Flushes everything held and waits for the commits. */
  flush(signal?: AbortSignal): Promise<void>;
}

/** The query frontend's questions to queriers. */
export interface QuerierService {
  /** Head and store together, each entry once. */
  runLeaf(request: LeafRequest, signal?: AbortSignal): Promise<LeafResult>;
  /** Streams with entries in the range, labels unique. */
  streams(request: StreamsRequest, signal?: AbortSignal): Promise<readonly StreamVolume[]>;
  /**
   * Line bytes that the tenant has in the store, by interval: what the catalog knows without reading
   * anything. An estimate, for plans.
   */
  storedBytes(request: StoredBytesRequest, signal?: AbortSignal): Promise<readonly number[]>;
  /** As an ingester's, of all partitions. */
  tail(request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame>;
}

/** Streams of one tenant on their way through its limit, as 53-bit hashes of their labels. */
export interface StreamClaim {
  readonly tenant: TenantId;
  /** Streams the tenant may have in all. */
  readonly activeMax: number;
  /** Admitted before, and still in use: counted whatever the limit. */
  readonly held: Float64Array;
  /** New to who asks. */
  readonly wanted: Float64Array;
}

/** The counter of a tenant's streams for all distributors. */
export interface StreamLimitService {
  /** Per claim, for each stream that is wanted: 1 when it may come to be, or is there already. */
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

/** A pattern in LogQL's form, `<_>` for what differs, with its lines by step: [Unix seconds, lines]. */
export interface PatternSeries {
  readonly pattern: string;
  readonly level: string;
  readonly samples: readonly (readonly [seconds: number, lines: number])[];
}

/** The clusters of lines that came lately. */
export interface PatternService {
  /** The most frequent first. */
  patterns(request: PatternsRequest, signal?: AbortSignal): Promise<readonly PatternSeries[]>;
}
