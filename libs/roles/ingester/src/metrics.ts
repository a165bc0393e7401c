import type { FlushReason } from './seal.ts';

/** What a flushed segment looked like, for the histograms that stand for Loki's chunks. */
interface FlushedSegment {
  readonly reason: FlushReason;
  readonly storedBytes: number;
  readonly rows: number;
  readonly lineBytes: number;
  /** Age of the oldest record at the flush. */
  readonly ageSeconds: number;
  /** Newest less oldest entry. */
  readonly spanHours: number;
  readonly encodeSeconds: number;
  /** Line bytes over the target. */
  readonly utilization: number;
  /** Stored bytes by tenant, in proportion to its lines. */
  readonly tenants: ReadonlyMap<string, number>;
}

/** What a partition's gauges are made of. */
interface HeadGauges {
  readonly records: number;
  readonly memoryBytes: number;
  /** Streams by tenant. */
  readonly streams: ReadonlyMap<string, number>;
  /** Records of the log that are not consumed yet. */
  readonly lagRecords: number;
  readonly consumedOffset: number;
  readonly committedOffset: number;
  /** How long the oldest record has waited for its flush; 0: nothing waits. */
  readonly oldestSeconds: number;
  /** Whether this owner flushes. */
  readonly isLeader: boolean;
}

/** What the ingester counts. The names under which it is exposed are telemetry's business. */
export interface IngesterMetrics {
  recordConsumed(rows: number, lineBytes: number): void;
  /** Records dropped by (writerId, sequence). */
  recordRepeated(): void;
  recordQuarantined(): void;
  /** Rows dropped because an equal entry was there. */
  duplicatesDropped(tenant: string, rows: number): void;
  streamsCreated(tenant: string, count: number): void;
  streamsRemoved(tenant: string, count: number): void;
  flushStarted(): void;
  flushEnded(): void;
  flushed(segment: FlushedSegment): void;
  flushFailed(): void;
  /** Another owner committed first. */
  flushLost(): void;
  tailDropped(entries: number): void;
  head(partition: number, gauges: HeadGauges | undefined): void;
  /** True from the start until the partition caught up. */
  replaying(partition: number, isActive: boolean): void;
}

/** Counts nothing. */
export const noIngesterMetrics: IngesterMetrics = {
  recordConsumed() {},
  recordRepeated() {},
  recordQuarantined() {},
  duplicatesDropped() {},
  streamsCreated() {},
  streamsRemoved() {},
  flushStarted() {},
  flushEnded() {},
  flushed() {},
  flushFailed() {},
  flushLost() {},
  tailDropped() {},
  head() {},
  replaying() {},
};
