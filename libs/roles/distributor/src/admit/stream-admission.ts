/** Admission of streams by earlier pushes, as a push asks for it: step *limit* of a written line. */
import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import type { ResolvedStream } from '../streams/resolve-stream.ts';
import type { AdmissionProblem, OfferedRows } from './refused-rows.ts';
import type { StreamLimitClaims, StreamLimitOwners } from './stream-limit-claims.ts';

/**
 * Admission of streams by earlier pushes: the number of a tenant's streams, the rate of a stream, the
 * distance of a row to the newest one.
 */
export interface StreamAdmission {
  /**
   * Claims the new streams of a push at their counter, so that `admit` has the verdicts. undefined: no claim
   * is needed.
   */
  prepare?(
    tenant: TenantId,
    streams: Iterable<ResolvedStream>,
    limits: Limits,
    nowMs: number,
  ): Promise<void> | undefined;
  /** undefined: all rows are admitted. */
  admit(
    tenant: TenantId,
    stream: ResolvedStream,
    rows: OfferedRows,
    limits: Limits,
    nowMs: number,
  ): AdmissionProblem | undefined;
  /**
   * Tracks admitted rows of a push whose other rows were refused: the client sends the push again, and
   * these rows are not charged twice.
   *
   * @param rows the admitted rows
   */
  rememberAdmitted(stream: ResolvedStream, rows: OfferedRows, nowMs: number): void;
}

/** Called with the number of shards that a stream's rate needs, when it is more than one. */
export type OnShards = (stream: ResolvedStream, shards: number, newestSeconds: number) => void;

export interface StreamRegistryOptions {
  /** A stream without entries for this long is no longer active. */
  readonly streamIdleMs: number;
  /** An entry may lie at most half of it behind its stream's newest. */
  readonly chunkAgeMaxMs: number;
  /** Rows that one error names. */
  readonly refusedNamedMax: number;
}

/** Services that distributors share. */
export interface SharedStreams {
  readonly claims: StreamLimitClaims;
  readonly counters: StreamLimitOwners;
  /** Number of distributors, this one included: limits are divided by it while no counter answers. */
  readonly healthyDistributors: () => number;
}
