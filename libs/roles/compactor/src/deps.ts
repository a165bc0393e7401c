/** Options and dependencies of a compactor. */
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
  /** Age after which a replaced section leaves the catalog: longer than readers use an older offset. */
  readonly dropAfterMs: number;
  /** Age after which an unused object is deleted: longer than any query runs. */
  readonly deleteDelayMs: number;
  /** Time after which an object that no catalog names is deleted. */
  readonly orphanAfterMs: number;
  /** Pause between two listings of the store for such objects. */
  readonly orphanIntervalMs: number;
  /**
   * Age of the seal from which on manifests that checkpoints cover are deleted: processes of the version
   * before, which know no seals, must not be that far behind.
   */
  readonly removeManifestsAfterMs: number;
  /**
   * A merge is abandoned if this time has passed since its output was stored: far less than `orphanAfterMs`.
   */
  readonly commitWithinMs: number;
  /** How long delete requests wait before rows are removed. */
  readonly cancelPeriodMs: number;
  /** Removes expired entries and carries out delete requests. */
  readonly removesRows: boolean;
  /** With a doubtful clock, retention of a larger share of the store's rows is withheld; 1: never. */
  readonly retentionShareMax: number;
}

const hourMs = 3_600_000;
/** The default of each option of a compactor. */
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
  removeManifestsAfterMs: hourMs,
  commitWithinMs: hourMs,
  cancelPeriodMs: 24 * hourMs,
  removesRows: false,
  retentionShareMax: 0.5,
};

/** Dependencies of a compactor. */
export interface CompactorDeps {
  readonly objectStore: ObjectStore;
  readonly catalog: Catalog;
  /**
   * Catalogs of the partitions that exist now, for dropping sections: those of `catalog`, as copies take
   * memory.
   */
  readonly partitions: () => readonly PartitionCatalog[];
  /**
   * Waits until `partitions` has those that were added: one without a mark could hold rows that a delete
   * request was made for. undefined: it has. Absent: their number never changes.
   */
  readonly currentPartitions?: (signal?: AbortSignal) => Promise<void> | undefined;
  /**
   * Brings the catalog up to date before each round: by news of ingesters, and from the store where there are
   * none. Absent: from the store.
   */
  readonly catchUp?: (signal?: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly workers: Workers;
  readonly logger: Logger;
  readonly metrics: CompactorMetrics;
  readonly limits: LimitsSource;
  /** Absent: deletes are off. */
  readonly requests?: DeleteRequests;
  /** Ends of the write log: a delete is carried out when all earlier records are committed. */
  readonly writeLog?: Pick<WriteLog, 'endOffset'>;
  /**
   * Asks all ingesters to flush, for a due delete. Absent: a due delete waits until heads are flushed by size
   * or age.
   */
  readonly flush?: (signal?: AbortSignal) => Promise<void>;
  /**
   * True if this process compacts a tenant's day. If two processes act as owner, they waste work but lose no
   * rows. Absent: always true.
   */
  readonly owns?: (tenant: string, day: number) => boolean;
  /**
   * True if this process does the work that is done once for all: dropping, deleting, orphans. Absent: always
   * true.
   */
  readonly sweeps?: () => boolean;
  /** Named points at which the simulator may stop this process; absent in production. */
  readonly simHook?: (point: string) => Promise<void>;
  readonly options: CompactorOptions;
}
