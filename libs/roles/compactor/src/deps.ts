import type { Catalog, DeleteRequests, PartitionCatalog } from '@loki/catalog';
import type { LimitsSource } from '@loki/config';
import { mib } from '@loki/model';
import type { Clock, Logger, ObjectStore, Random, Timers, Workers, WriteLog } from '@loki/ports';
import type { CompactorMetrics } from '@loki/telemetry';
import type { PlanOptions } from './plan.ts';

/** Pauses, delays and bounds of a compactor. Times are milliseconds, sizes bytes. */
export interface CompactorOptions extends PlanOptions {
  /** Pause between two rounds. */
  readonly intervalMs: number;
  /**
   * A replaced section leaves the catalog after so long: longer than a reader may go on from an older offset.
   */
  readonly dropAfterMs: number;
  /** An object nobody reads any more is deleted after so long: longer than any query runs. */
  readonly deleteDelayMs: number;
  /** An object that no catalog names is deleted when it has been seen for so long. */
  readonly orphanAfterMs: number;
  /** Pause between two listings of the store for such objects. */
  readonly orphanIntervalMs: number;
  /** A merge is given up when so long passed since its output was put: far less than `orphanAfterMs`. */
  readonly commitWithinMs: number;
  /** How long delete requests wait before rows are removed. */
  readonly cancelPeriodMs: number;
  /** Entries past their retention are removed, and delete requests carried out. */
  readonly removesRows: boolean;
  /** A larger share of the store's rows is not removed at once when the clock is doubtful; 1: it is. */
  readonly retentionShareMax: number;
}

const hourMs = 3_600_000;
/** Options of a compactor for which the configuration says nothing else. */
export const compactorDefaults: CompactorOptions = {
  intervalMs: 600_000,
  settleMs: 120_000,
  // Late entries arrive with flushes, which wait two hours at most.
  closeDelayMs: 3 * hourMs,
  fanIn: 12,
  inputBytesMax: 256 * mib,
  inputsMax: 64,
  targetBytes: 128 * mib,
  dropAfterMs: hourMs,
  deleteDelayMs: 2 * hourMs,
  orphanAfterMs: 24 * hourMs,
  orphanIntervalMs: 6 * hourMs,
  commitWithinMs: hourMs,
  cancelPeriodMs: 24 * hourMs,
  removesRows: false,
  retentionShareMax: 0.5,
};

/** The world that the compactor is given. */
export interface CompactorDeps {
  readonly objectStore: ObjectStore;
  readonly catalog: Catalog;
  /** For dropping sections: catalogs of the compactor's own, one for each partition. */
  readonly partitions: readonly PartitionCatalog[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly workers: Workers;
  readonly logger: Logger;
  readonly metrics: CompactorMetrics;
  readonly limits: LimitsSource;
  /** Absent: there are no deletes. */
  readonly requests?: DeleteRequests;
  /** Where acknowledged records end: a delete is carried out when all before it are committed. */
  readonly writeLog?: Pick<WriteLog, 'partitionCount' | 'endOffset'>;
  /**
   * Has all ingesters flush what they hold, for a delete that is due. Absent: a due delete waits until heads
   * are flushed by size or age.
   */
  readonly flush?: (signal?: AbortSignal) => Promise<void>;
  /**
   * Whether this process compacts a tenant's day. Two that both think so cost work, never rows. Absent: it
   * does.
   */
  readonly owns?: (tenant: string, day: number) => boolean;
  /** Whether this process does what is done once for all: dropping, deleting, orphans. Absent: it does. */
  readonly sweeps?: () => boolean;
  /** Named points at which the simulator may stop this process; absent in production. */
  readonly simHook?: (point: string) => Promise<void>;
  readonly options: CompactorOptions;
}
