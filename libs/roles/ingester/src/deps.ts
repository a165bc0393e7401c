/** Dependencies of an ingester and of its partitions. */
import type { PartitionCommitter } from '@loki/catalog';
import type { LimitsSource } from '@loki/config';
import type { QueryThread } from '@loki/engine';
import type { LokiError, Semaphore } from '@loki/model';
import type { Clock, Logger, ObjectStore, Random, Timers, Workers, WriteLog } from '@loki/ports';
import type { IngesterMetrics } from '@loki/telemetry';
import type { CommittedSegments } from './committed-rows.ts';
import type { IngesterOptions } from './options.ts';
import type { PatternSource } from './pattern-ingester.ts';

/** The world that the ingester is given. */
export interface IngesterDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly workers: Workers;
  /** Where results of heads are merged; absent: the ingester has it to itself. */
  readonly queryThread?: QueryThread;
  readonly writeLog: WriteLog;
  readonly objectStore: ObjectStore;
  /** The partition's catalog. */
  readonly commits: (partition: number) => PartitionCommitter;
  readonly committed: CommittedSegments;
  readonly logger: Logger;
  readonly metrics: IngesterMetrics;
  readonly limits: LimitsSource;
  /** Whether this owner of the partition is the one that flushes. Absent: it is, as there is no other. */
  readonly isLeader?: (partition: number) => boolean;
  /**
   * Resolves when another owner answers for a partition that is not ours any more, or nobody waits for one
   * any longer: until then it is kept and answered for. Absent: such a partition is let go at once.
   */
  readonly takenOver?: (partition: number, signal: AbortSignal) => Promise<void>;
  /**
   * Called when the manifests turn out to hold other records at offsets of this log; nothing was let go. It
   * ends the process. Present where this process alone may write the log: absent, other owners commit the
   * same records.
   */
  readonly onForeignCommit?: (error: LokiError) => void;
  /** Told of each record that enters a head which this owner leads. Absent: nobody clusters lines. */
  readonly patterns?: { offer(record: PatternSource): void };
  /**
   * Told that a partition was consumed up to an offset, by these tenants or, where none are named, by all.
   * Absent: nobody in this process waits for it.
   */
  readonly onConsumed?: (partition: number, offset: number, tenants?: readonly string[]) => void;
  /** Named points at which the simulator may stop this process; absent in production. */
  readonly simHook?: (point: string) => Promise<void>;
}

/** The same with the options settled: what the parts of a partition share. */
export interface PartitionDeps extends IngesterDeps {
  readonly options: IngesterOptions;
  readonly queryThread: QueryThread;
  /** Memory of all heads of this process. */
  readonly budget: HeadBudget;
  /** Bounds flushes side by side. */
  readonly flushSemaphore: Semaphore;
  /** Partitions that this process owns now. */
  readonly ownedCount: () => number;
  /**
   * Tells this incarnation's records apart from those of another with the same offsets, in workers' caches.
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
