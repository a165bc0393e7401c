/** Options of an ingester and their defaults. */
import assert from 'node:assert/strict';
import { mib } from '@loki/model';

/** Knobs of the ingester. Sizes in bytes, times in milliseconds. */
export interface IngesterOptions {
  /**
   * Raw line bytes of a partition at which it is flushed: large enough that a segment is worth its object.
   */
  readonly flushRawBytes: number;
  /** The oldest record in a head is flushed at this age at the latest (Loki's `max_chunk_age`). */
  readonly flushAgeMs: number;
  /** A head without a new record for this long is flushed (Loki's `chunk_idle_period`). */
  readonly flushIdleMs: number;
  /** Interval at which age and idleness are checked. */
  readonly flushCheckMs: number;
  /** Flushes side by side, over all partitions: each needs the memory of one segment. */
  readonly flushesMax: number;
  /**
   * Memory of a partition's head at which its consumption pauses until a flush made room. Back-pressure is to
   * stop reading: the write log holds the records meanwhile.
   */
  readonly headBytesPartitionMax: number;
  /** The same over all partitions of this process. */
  readonly headBytesMax: number;
  /** Bytes of one read from the write log. */
  readonly readBytesMax: number;
  /** The longest wait of one read for a first record. */
  readonly readWaitMs: number;
  /** The longest wait of a query until the head has the records that were acknowledged before it. */
  readonly queryWaitMs: number;
  /** First and longest pause between attempts while the store or the log is down. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** Blocks that stay decoded to find duplicates, for each partition. */
  readonly decodedBlocksBytesMax: number;
  /**
   * Bytes of records by which a follower may lag before the oldest are dropped for it. The head has these
   * records too; of records that the head has dropped a quarter is kept, over all partitions of this process.
   */
  readonly tailBytesMax: number;
  /**
   * Line bytes that are decoded for a follower at a time, or one record: equal lines compress by the hundred,
   * and a slow follower holds a frame.
   */
  readonly tailFrameBytes: number;
  /** Maximum of followers of one partition. */
  readonly tailsMax: number;
  /**
   * Records that stay in the write log below the committed offset. A lagging owner reads these records from
   * the store. Only a follower that moves from another owner during a flush needs them. Default 0: an
   * embedded log always has one owner. With a shared log the wiring asks for a thousand.
   */
  readonly logMarginRecords: number;
  /**
   * Maximum of writers whose last sequence is stored, to drop repeated records; the longest silent one is
   * evicted first.
   */
  readonly writersMax: number;
  /** False only in tests of (writerId, sequence). */
  readonly dropDuplicates: boolean;
}

const ingesterOptionsDefault: IngesterOptions = {
  flushRawBytes: 96 * mib,
  flushAgeMs: 2 * 3_600_000,
  flushIdleMs: 30 * 60_000,
  flushCheckMs: 5_000,
  flushesMax: 2,
  headBytesPartitionMax: 64 * mib,
  headBytesMax: 512 * mib,
  readBytesMax: 4 * mib,
  readWaitMs: 1_000,
  queryWaitMs: 10_000,
  retryMinMs: 100,
  retryMaxMs: 10_000,
  decodedBlocksBytesMax: 8 * mib,
  tailBytesMax: mib,
  tailFrameBytes: mib / 2,
  tailsMax: 1_000,
  logMarginRecords: 0,
  writersMax: 1_000,
  dropDuplicates: true,
};

/** Completes options with defaults; refuses impossible ones. */
export function ingesterOptions(overrides: Partial<IngesterOptions> = {}): IngesterOptions {
  const options = { ...ingesterOptionsDefault, ...overrides };
  assert(options.headBytesMax >= options.headBytesPartitionMax, 'a process holds at least one full head');
  assert(options.readBytesMax <= options.headBytesPartitionMax, 'a head holds at least what one read brings');
  assert(
    options.retryMinMs > 0 && options.retryMinMs <= options.retryMaxMs,
    'retries begin above 0 and rise',
  );
  assert(options.flushesMax >= 1, 'at least one flush at a time');
  assert(options.flushCheckMs > 0 && options.readWaitMs > 0, 'waits are above 0');
  return options;
}
