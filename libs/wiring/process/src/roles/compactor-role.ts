/** Starts the compactor, deletes and retention in this process. */
import { DeleteRequests, HiddenRows, undoableMs } from '@loki/catalog';
import type { Catalog, CatalogFollower, PartitionLayout, Partitions } from '@loki/catalog';
import { Compactor, compactorDefaults, DeletesApi, sharedWork } from '@loki/compactor';
import type { CompactorShare, CompactorStatus } from '@loki/compactor';
import type { Config, LimitsSource } from '@loki/config';
import type { Clock, Logger, ObjectStore, Random, Timers, Workers, WriteLog } from '@loki/ports';
import { compactorMetrics } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { LogEnds } from '../cluster/log-ends.ts';
import type { MemoryBounds } from '../stores/memory-bounds.ts';
import { openWriteLog } from '../stores/open-write-log.ts';

interface HidingDeps {
  readonly config: Config;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly objectStore: ObjectStore;
}

/** Rows that queries leave out, and the delete requests behind them; both absent unless retention is on. */
export interface Hiding {
  readonly requests?: DeleteRequests;
  readonly hidden?: HiddenRows;
}

/** Opens delete requests and retention, for every process that answers queries or compacts. */
export async function openHiding(deps: HidingDeps): Promise<Hiding> {
  if (!deps.config.compactor.retentionEnabled) return {};
  const { clock, limits } = deps;
  const requests = new DeleteRequests(deps);
  await requests.load().catch((error: unknown) => {
    deps.logger.warn('delete requests could not be loaded', { err: String(error) });
  });
  const retention = (tenant: string) => limits.forTenant(tenant);
  return { requests, hidden: new HiddenRows({ clock, requests, retention }) };
}

interface CompactorRoleDeps extends HidingDeps {
  readonly random: Random;
  readonly metrics: Metrics;
  readonly hiding: Hiding;
  readonly catalog: Catalog;
  readonly follower: CatalogFollower | undefined;
  readonly partitions: Partitions;
  readonly layout: PartitionLayout | undefined;
  readonly workers: Workers;
  readonly memory: MemoryBounds;
  /** This compactor's share of all compactors' work. */
  readonly share: CompactorShare;
  /** Absent in a process without a role that needs it. */
  readonly writeLog?: WriteLog;
  /** Asks all ingesters to flush. Absent: this process cannot reach them. */
  readonly flush?: (signal?: AbortSignal) => Promise<void>;
}

/** The compactor of this process. */
export interface CompactorRole {
  /** Absent unless retention is on. */
  readonly deletes?: DeletesApi;
  status(): CompactorStatus;
  /** Begins a merge of all flushed segments of this process's share. */
  mergeAll(): void;
  stop(): Promise<void>;
}

export function startCompactor(deps: CompactorRoleDeps): CompactorRole {
  const { config, limits, clock, random, hiding, share } = deps;
  const ends = deps.writeLog ? undefined : logEnds(deps);
  const metrics = compactorMetrics(deps.metrics);
  const { deleteRequestCancelPeriodMs: cancelPeriodMs, deleteMaxIntervalMs: maxIntervalMs } =
    config.compactor;
  const deletes =
    hiding.requests &&
    new DeletesApi({
      requests: hiding.requests,
      limits,
      clock,
      random,
      metrics,
      options: { cancelPeriodMs, maxIntervalMs },
    });
  const compactor = new Compactor({
    ...deps,
    catchUp: deps.follower && ((signal) => deps.follower!.catchUp(signal)),
    writeLog: deps.writeLog ?? ends,
    requests: hiding.requests,
    metrics,
    ...sharedWork(share),
    partitions: () => deps.catalog.partitions(),
    currentPartitions: (signal) => deps.partitions.current(signal),
    options: {
      ...compactorDefaults,
      intervalMs: config.compactor.compactionIntervalMs,
      // Readers may use an older offset for this long: its objects must exist.
      deleteDelayMs: Math.max(config.compactor.retentionDeleteDelayMs, undoableMs),
      removesRows: config.compactor.retentionEnabled,
      retentionShareMax: config.compactor.retentionShareMax,
      cancelPeriodMs,
    },
  });
  compactor.start();
  return {
    deletes,
    status: () => compactor.status(),
    mergeAll: () => compactor.mergeAll(),
    async stop() {
      await Promise.all([ends?.close(), compactor.stop()]);
    },
  };
}

/** End offsets of a shared log; those of an embedded log are known to its own process only. */
function logEnds(deps: CompactorRoleDeps): LogEnds | undefined {
  const { config, catalog, partitions } = deps;
  if (config.writeLog.kind === 'embedded') return undefined;
  return new LogEnds(() =>
    openWriteLog({
      ...deps,
      readBytesMax: deps.memory.logReadBytesMax,
      // This process does not write to the log.
      onNearlyFull: () => undefined,
      atLeast: Array.from({ length: partitions.owned }, (_, each) => catalog.state(each).endOffset),
    }),
  );
}
