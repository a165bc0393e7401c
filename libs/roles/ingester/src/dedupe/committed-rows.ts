/**
 * Searches incoming rows among committed segments, to drop repeated entries: step *consume* of a written
 * line.
 */
import { BoundedMap, LokiError } from '@loki/model';
import type { Labels } from '@loki/model';
import type { Clock, Logger, ObjectStore, Timers } from '@loki/ports';
import { readSegment } from '@loki/segment';
import type { StoredSegment } from '@loki/segment';
import { nsAt } from '../common/time.ts';
import type { EntryHasher } from '../head/entry-hasher.ts';
import type { RunRows } from '../head/same-entry.ts';
import { findStream, StoredStreams } from './stored-streams.ts';

/** Finds committed segments: the part of the catalog that the ingester uses. */
export interface CommittedSegments {
  /**
   * Keys of all segments that may hold rows of the tenant with startNs <= ts < endNs, committed below
   * `offset`.
   */
  keys(
    partition: number,
    offset: number,
    rows: { readonly tenant: string; readonly startNs: bigint; readonly endNs: bigint },
  ): Promise<readonly string[]>;
  /**
   * Called when a segment of the partition is not in the store: it was removed after `keys` last read the
   * removals. Absent: `keys` always has all removals.
   */
  outdated?(partition: number): void;
}

/** One run of an incoming record that may repeat committed rows. */
interface LateRun {
  readonly tenant: string;
  readonly labels: Labels;
  readonly rows: RunRows;
  /** Marks of the run's block, one byte a row. */
  readonly marks: Uint8Array;
}

interface CommittedRowsOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly hasher: EntryHasher;
  readonly partition: number;
  readonly objectStore: ObjectStore;
  readonly committed: CommittedSegments;
  readonly logger: Logger;
}

/** Cached footers. A backfill reads few segments at a time; each footer is some hundred KiB. */
const footersMax = 32;
/**
 * Consecutive reads of a damaged segment before the caller has to try again later: the damage may have
 * happened in transit.
 */
const damagedReadsMax = 3;
/**
 * A segment that stays damaged over this many attempts is skipped: a repeated line harms less than a stopped
 * partition.
 */
const damagedTriesMax = 6;
/** Maximum of segments whose damage is counted. */
const damagedMax = 1024;

/** A run with the time it spans: [startNs, endNs). */
interface TimedRun {
  readonly run: LateRun;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * Searches incoming rows among the committed ones.
 *
 * Cost: only late and repeated runs come here, those that begin before the newest flushed row of their
 * stream. For each, the catalog names the segments of that time; a cached footer shows whether a segment has
 * the stream; then the timestamps of the stream's blocks are fetched, and their lines only when a timestamp
 * is equal. For a stream with many late runs, the segment's entries are indexed.
 */
export class CommittedRows {
  readonly #options: CommittedRowsOptions;
  readonly #streams: StoredStreams;
  readonly #footers = new BoundedMap<string, StoredSegment>(footersMax);
  /** By segment: consecutive tries that met damage. */
  readonly #damagedTries = new BoundedMap<string, number>(damagedMax);

  constructor(options: CommittedRowsOptions) {
    this.#options = options;
    this.#streams = new StoredStreams(options);
  }

  /**
   * Marks rows of `run` that are committed below `offset`.
   *
   * @throws the store's error; the caller must try again, because without the search a line could be stored
   *   twice
   */
  async mark(run: LateRun, offset: number, signal?: AbortSignal): Promise<number> {
    const { block, first, end } = run.rows;
    const timestamps = block.timestamps();
    const startNs = nsAt(block.info, timestamps[first]);
    const endNs = nsAt(block.info, timestamps[end - 1]) + 1n;
    const { committed, partition } = this.#options;
    const keys = await committed.keys(partition, offset, { tenant: run.tenant, startNs, endNs });
    let marked = 0;
    try {
      for (const key of keys) marked += await this.#markIn(key, { run, startNs, endNs }, signal);
    } catch (error) {
      if (error instanceof LokiError && error.code === 'notFound') committed.outdated?.(partition);
      throw error;
    }
    return marked;
  }

  async #markIn(key: string, timed: TimedRun, signal?: AbortSignal): Promise<number> {
    if ((this.#damagedTries.get(key) ?? 0) >= damagedTriesMax) return 0;
    for (let attempt = 1; ; attempt++) {
      try {
        const marked = await this.#mark(key, timed, signal);
        this.#damagedTries.delete(key);
        return marked;
      } catch (error) {
        if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
        this.#footers.delete(key);
        this.#streams.forget(key);
        if (attempt < damagedReadsMax) continue;
        const tries = (this.#damagedTries.get(key) ?? 0) + 1;
        this.#damagedTries.set(key, tries);
        if (tries < damagedTriesMax) {
          throw new LokiError('unavailable', `segment ${key} cannot be read whole`, { cause: error });
        }
        this.#options.logger.error('a committed segment is damaged: late lines are not compared with it', {
          key,
          err: error.message,
        });
        return 0;
      }
    }
  }

  async #mark(key: string, { run, startNs, endNs }: TimedRun, signal?: AbortSignal): Promise<number> {
    const segment = await this.#open(key, signal);
    const section = segment.section(run.tenant);
    const stream = section ? findStream(section, run.labels) : undefined;
    if (!section || stream === undefined) return 0;
    if (section.streams.maxNs(stream) < startNs || section.streams.minNs(stream) >= endNs) return 0;
    return this.#streams.mark({ segment, section, stream }, run, signal);
  }

  async #open(key: string, signal?: AbortSignal): Promise<StoredSegment> {
    const cached = this.#footers.get(key);
    if (cached) return cached;
    const segment = await readSegment(this.#options.objectStore, key, { signal });
    this.#footers.set(key, segment);
    return segment;
  }
}
