/** Starts the ingester in this process. */
import { committedSegments, partitionCommitters } from '@loki/catalog';
import type { ConsumerLag } from '@loki/distributor';
import { Ingester } from '@loki/ingester';
import type { PatternIngester, StreamLimitCounts } from '@loki/ingester';
import { mib } from '@loki/model';
import { ingesterMetrics } from '@loki/telemetry';
import type { LogDeps } from './open-storage.ts';

/**
 * Upper bound of a partition's head; a head is flushed at half of it, and larger segments bring no advantage.
 */
const headBytesPartitionMost = 64 * mib;

/**
 * Line bytes of a partition at which its head is flushed. A merge holds all of them decoded: a process by
 * itself takes 65 MiB less while it loads than with 96. Behind a shared log, each flush is read by every
 * querier's catalog, and there the number of flushes counts.
 */
const flushRawBytes = { embedded: 64 * mib, kafka: 96 * mib } as const;

/** Starts the ingester. */
export async function startIngester(
  deps: LogDeps,
  streamCounts: StreamLimitCounts,
  patterns: PatternIngester | undefined,
  lag: ConsumerLag | undefined,
): Promise<Ingester> {
  const { config, objectStore, clock, timers, catalog, states, cluster, memory } = deps;
  const { owned, isLeader, takenOver } = await cluster.ownership(deps.partitions);
  const ingester = new Ingester(
    {
      ...deps,
      metrics: ingesterMetrics(deps.metrics),
      patterns,
      isLeader: deps.adapters?.isLeader ?? isLeader,
      takenOver,
      commits: partitionCommitters({ objectStore, clock, timers }),
      ...(deps.ownership ? { onForeignCommit: deps.fail } : {}),
      committed: committedSegments(catalog, deps.follower ? undefined : deps.timers),
      onConsumed: lag && ((partition, offset, tenants) => lag.consumed(partition, offset, tenants)),
    },
    owned,
    {
      flushRawBytes: flushRawBytes[config.writeLog.kind],
      headBytesMax: memory.headBytesMax,
      headBytesPartitionMax: Math.min(memory.headBytesMax, headBytesPartitionMost),
      flushAgeMs: config.ingester.maxChunkAgeMs,
      flushIdleMs: config.ingester.chunkIdlePeriodMs,
      // A few seconds of records, for tails that move from owner to owner. Only relevant if Kafka is asked to
      // delete.
      logMarginRecords: config.writeLog.kind === 'kafka' ? 1_000 : 0,
    },
  );
  ingester.start();
  deps.pressure.flush = () => ingester.flush();
  cluster.serveIngester(ingester, streamCounts);
  states.addCheck(() => (ingester.isReady() ? undefined : 'Ingester not ready: reading the write log'));
  return ingester;
}
