/** A record as a writer appends it. `payload` is opaque to the log. */
export interface LogRecord {
  /** 32 hex digits, drawn at the writer's start. */
  readonly writerId: string;
  /** Rises by one for each record that this writer appends to this partition, from 1. */
  readonly sequence: number;
  readonly payload: Buffer;
}

/** A record as read back, with where it stands. Offsets rise but need not be dense. */
export interface LoggedRecord extends LogRecord {
  readonly offset: number;
}

/**
 * Partitioned, ordered, durable. `append` resolves only when the record survives a crash (embedded: fsync;
 * Kafka: all in-sync replicas). An append that fails or times out may still be there: readers drop repeats
 * by (writerId, sequence).
 */
export interface WriteLog {
  readonly partitionCount: number;
  /** The largest payload that a record may have now. A log that learns of a lower bound says so here. */
  readonly recordBytesMax: number;
  /**
   * The new record's offset. LokiError `logNotAcked` when the log cannot take it now (full disk, no broker).
   *
   * @param waitedMs how long its entries wait already: it counts towards the log's own time-out. Default 0
   */
  append(partition: number, record: LogRecord, waitedMs?: number): Promise<number>;
  /**
   * Records from `fromOffset` on, in order, about `bytesMax` in all but at least one. Waits up to `waitMs`
   * for the first; [] when none came. An offset that was truncated away starts at the first record that is
   * left.
   */
  read(
    partition: number,
    fromOffset: number,
    options: { bytesMax: number; waitMs: number; signal?: AbortSignal },
  ): Promise<LoggedRecord[]>;
  /** The offset the next append will get, or a lower bound of it: all acknowledged records stand below. */
  endOffset(partition: number): Promise<number>;
  /** The lowest offset that can still be read. */
  startOffset(partition: number): Promise<number>;
  /** Permission to forget records below `offset`. */
  truncateBefore(partition: number, offset: number): Promise<void>;
  close(): Promise<void>;
}
