/** Starts the distributor in this process. */
import { StreamShards } from '@loki/catalog';
import { decompressedBytesMaxOf, Distributor } from '@loki/distributor';
import type { ConsumerLag } from '@loki/distributor';
import type { StreamLimitCounts } from '@loki/ingester';
import { distributorMetrics } from '@loki/telemetry';
import type { LogDeps } from './open-storage.ts';
import { PartitionGrowth } from './partition-growth.ts';

/** Starts the distributor, with the mapping of streams to partitions. */
export async function startDistributor(
  deps: LogDeps,
  streamCounts: StreamLimitCounts | undefined,
  lag: ConsumerLag | undefined,
): Promise<{ distributor: Distributor; streamShards: StreamShards; growth: PartitionGrowth | undefined }> {
  const { config, cluster, memory } = deps;
  const { distributor, ingester, writeLog } = config;
  const healthyDistributors = await cluster.distributorCount();
  // Before the first push: rows of streams with shards must go to the same partitions as before the restart.
  const writer = Buffer.from(deps.random.bytes(8)).toString('hex');
  const streamShards = new StreamShards({ ...deps, writer, healthyDistributors });
  await streamShards.start();
  const growth = deps.layout && new PartitionGrowth({ ...deps, layout: deps.layout });
  await growth?.start();
  const streamLimitOwners = await cluster.ingesters.streamLimitOwners(streamCounts, deps.partitions);
  const started = new Distributor(
    {
      ...deps,
      metrics: distributorMetrics(deps.metrics),
      healthyDistributors,
      streamLimitOwners,
      streamShards,
      lag,
    },
    {
      recvBytesMax: distributor.maxRecvMsgBytes,
      decompressedBytesMax: decompressedBytesMaxOf(
        distributor.maxDecompressedBytes,
        memory.decompressedBytesMax,
      ),
      inflightBytesMax: distributor.maxInflightBytes > 0 ? distributor.maxInflightBytes : memory.pushBytesMax,
      lingerMs: writeLog.lingerMs,
      batchBytesMax: writeLog.maxBatchBytes,
      streamIdleMs: ingester.chunkIdlePeriodMs,
      chunkAgeMaxMs: ingester.maxChunkAgeMs,
      otlpIndexAttributes: distributor.otlpDefaultIndexLabels,
      removesExpired: config.compactor.retentionEnabled,
    },
  );
  cluster.serveDistributor(started);
  return { distributor: started, streamShards, growth };
}
