import type { SectionSummary } from '@loki/segment';
import type { WriterTable } from './writers.ts';

/** Where a partition's manifests end. */
export interface CommittedState {
  /** All records below are in committed segments; 0 when nothing was committed yet. */
  readonly endOffset: number;
  /** The writers table at endOffset. */
  readonly writers: WriterTable;
  /** The newest committed row in microseconds, rounded down; -Infinity when there is none. */
  readonly newestUs: number;
}

/** A flush that is to become real. */
export interface Commit {
  readonly startOffset: number;
  readonly endOffset: number;
  /** Absent when the records left nothing to store: repeats, duplicates, quarantined ones. */
  readonly segment?: CommittedSegment;
  readonly writers: WriterTable;
}

export interface CommittedSegment {
  readonly key: string;
  readonly bytes: Uint8Array;
  /** What it holds of each tenant; at least one. */
  readonly sections: readonly SectionSummary[];
}

/**
 * The catalog of one partition: a gapless sequence of manifests, each of a range of offsets, extended by one create-if-absent put at a time.
 * All calls throw when the store does not answer, and may then be tried again.
 */
export interface PartitionCommits {
  /** Reads what has been committed by anybody. */
  load(signal?: AbortSignal): Promise<CommittedState>;
  /**
   * Appends. False: another owner's manifest stands where ours should; `load` tells how far it goes. A manifest that we put
   * before, and whose answer we missed, counts as ours.
   */
  commit(commit: Commit, signal?: AbortSignal): Promise<boolean>;
}
