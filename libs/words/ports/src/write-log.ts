/** Port: the write log, step *write log* of a written line. */

/** A record as a writer appends it. `payload` is opaque to the log. */
export interface LogRecord {
  /** 32 random hex digits, chosen at the writer's start. */
  readonly writerId: string;
  /** Rises by one for each record that this writer appends to this partition, from 1. */
  readonly sequence: number;
  readonly payload: Buffer;
}

/** A record as read back, with its offset. Offsets rise but need not be dense. */
export interface LoggedRecord extends LogRecord {
  readonly offset: number;
}

/**
 * Partitioned, ordered, durable. `append` resolves only when the record survives a crash (embedded: fsync;
 * Kafka: all in-sync replicas). A failed or timed-out append may still have stored the record: readers drop
 * repeats by (writerId, sequence).
 *
 * Several appends of a partition may be in progress. Records enter in the order of the calls: an acknowledged
 * record never stands behind a later one of its writer, as readers would take it for a repeat and drop it.
 * When one fails, later ones may be stored nevertheless.
 */
export interface WriteLog {
  /** Partitions 0 .. partitionCount - 1 exist, as far as this process knows. */
  readonly partitionCount: number;
  /** Reads the log's number of partitions; absent: the number never changes. */
  countPartitions?(): Promise<number>;
  /** Sets the number of partitions when another process has seen a higher one. */
  expectPartitions?(count: number): void;
  /** Largest payload of a record. It may shrink when the log learns of a lower bound. */
  readonly recordBytesMax: number;
  /**
   * The new record's offset. LokiError `logNotAcked` when the log cannot store it now (full disk, no broker).
   *
   * @param waitedMs how long the entries have waited already; it counts towards the log's own timeout.
   *   Default 0
   */
  append(partition: number, record: LogRecord, waitedMs?: number): Promise<number>;
  /**
   * Records from `fromOffset` on, in order, about `bytesMax` in all but at least one. Waits up to `waitMs`
   * for the first record; [] when none arrives. If `fromOffset` is truncated, reading starts at the first
   * record that still exists.
   */
  read(
    partition: number,
    fromOffset: number,
    options: { bytesMax: number; waitMs: number; signal?: AbortSignal },
  ): Promise<LoggedRecord[]>;
  /** The offset of the next append, or less; all acknowledged records have lower offsets. */
  endOffset(partition: number): Promise<number>;
  /** The lowest offset that can still be read. */
  startOffset(partition: number): Promise<number>;
  /** Allows the log to delete records below `offset`. */
  truncateBefore(partition: number, offset: number): Promise<void>;
  close(): Promise<void>;
}
