/** Dependencies of an ingester and of its partitions. */
import type { PartitionCommitter, SharedLogs } from '@loki/catalog';
import type { LimitsSource } from '@loki/config';
import type { QueryThread } from '@loki/engine';
import type { LokiError, Semaphore } from '@loki/model';
import type { Clock, Logger, ObjectStore, Random, Timers, Workers, WriteLog } from '@loki/ports';
import type { IngesterMetrics } from '@loki/telemetry';
import type { CommittedSegments } from './dedupe/committed-rows.ts';
import type { IngesterOptions } from './options.ts';
import type { PatternSource } from './pattern-ingester.ts';
import type { TailTurns } from './tail-turns.ts';

/** The services that an ingester uses. */
export interface IngesterDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly workers: Workers;
  /** Budget of the memory in which results of heads are merged; absent: unbounded. */
  readonly queryThread?: QueryThread;
  readonly writeLog: WriteLog;
  readonly objectStore: ObjectStore;
  /** The partition's catalog. */
  readonly commits: (partition: number) => PartitionCommitter;
  readonly committed: CommittedSegments;
  readonly logger: Logger;
  readonly metrics: IngesterMetrics;
  readonly limits: LimitsSource;
  /** Whether this owner of the partition flushes it. Absent: it is the only owner, and flushes. */
  readonly isLeader?: (partition: number) => boolean;
  /**
   * Resolves when a new owner answers for a partition that this process no longer owns, or when no caller
   * needs one. Until then this process keeps the partition and answers for it. Absent: it releases such a
   * partition at once.
   */
  readonly takenOver?: (partition: number, signal: AbortSignal) => Promise<void>;
  /**
   * Called when the manifests hold other records at offsets of this log; this process has released nothing.
   * It ends the process. Absent for a shared log, where all owners commit the same records.
   */
  readonly onForeignCommit?: (error: LokiError) => void;
  /** Receives each record that enters a head which this owner leads. Absent: no patterns are collected. */
  readonly patterns?: { offer(record: PatternSource): void };
  /**
   * Receives the consumed offset of a partition, for these tenants or for all. Absent: this process admits no
   * pushes.
   */
  readonly onConsumed?: (partition: number, offset: number, tenants?: readonly string[]) => void;
  /** Numbers of shared logs, which this ingester passes on. Absent: it passes on none. */
  readonly sharedLogs?: SharedLogs;
  /** Named points at which the simulator may stop this process; absent in production. */
  readonly simHook?: (point: string) => Promise<void>;
}

/** The same with complete options: shared by the parts of a partition. */
export interface PartitionDeps extends IngesterDeps {
  readonly options: IngesterOptions;
  readonly queryThread: QueryThread;
  /** Memory of all heads of this process. */
  readonly budget: HeadBudget;
  /** Bounds the number of flushes side by side. */
  readonly flushSemaphore: Semaphore;
  /** The scans for all tails of this process. */
  readonly tailTurns: TailTurns;
  /** Partitions that this process owns now. */
  readonly ownedCount: () => number;
  /**
   * Identifies this incarnation in workers' caches: another one may have other records at the same offsets.
   */
  readonly instance: string;
}

/** Bytes held by all heads of a process. */
export class HeadBudget {
  readonly bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isExhausted(): boolean {
    return this.#bytes >= this.bytesMax;
  }

  add(difference: number): void {
    this.#bytes += difference;
  }
}
