/** Gauges of the heads of an ingester: of each partition, and of all of them together. */
import type { Metrics } from './metrics.ts';

/** One partition's head, for its gauges. */
export interface HeadState {
  readonly records: number;
  readonly memoryBytes: number;
  /** Streams by tenant. */
  readonly streams: ReadonlyMap<string, number>;
  /** Records of the log that are not consumed yet. */
  readonly lagRecords: number;
  readonly consumedOffset: number;
  readonly committedOffset: number;
  /** Seconds that the oldest record has waited for its flush; 0: no record waits. */
  readonly oldestSeconds: number;
  /** Whether this owner flushes. */
  readonly isLeader: boolean;
}

type ShowHead = (partition: number, state: HeadState | undefined) => void;

/**
 * Shows the head of a partition; undefined: the partition has left. The cost grows with the tenants of this
 * one partition: every partition is shown each second, and an ingester may have hundreds of them.
 */
export function headGauges(metrics: Metrics): ShowHead {
  const streams = metrics.gauge('loki_ingester_memory_streams', 'Streams in memory.', ['tenant']);
  const records = metrics.gauge('loki_ingester_memory_chunks', 'Records in memory.');
  const memory = metrics.gauge('loki_ingester_memory_bytes', 'Bytes of records in memory.');
  const ofPartition = partitionGauges(metrics);
  const states = new Map<number, HeadState>();
  const streamCounts = new Map<string, number>();

  /**
   * A tenant without streams shows 0 from then on: its series would come and go with each flush, and sums
   * over it with it. `IdleTenants` removes the series once the tenant is idle.
   */
  function addStreams(counts: ReadonlyMap<string, number>, sign: 1 | -1): void {
    for (const [tenant, count] of counts) {
      streamCounts.set(tenant, (streamCounts.get(tenant) ?? 0) + sign * count);
    }
  }

  return (partition, state) => {
    const previous = states.get(partition);
    if (state) states.set(partition, state);
    else states.delete(partition);
    ofPartition(partition, state);
    records.inc((state?.records ?? 0) - (previous?.records ?? 0));
    memory.inc((state?.memoryBytes ?? 0) - (previous?.memoryBytes ?? 0));
    const before = previous?.streams ?? new Map<string, number>();
    const now = state?.streams ?? new Map<string, number>();
    addStreams(before, -1);
    addStreams(now, 1);
    for (const tenant of new Set([...before.keys(), ...now.keys()])) {
      const count = streamCounts.get(tenant)!;
      streams.set({ tenant }, count);
      if (count === 0) streamCounts.delete(tenant);
    }
  };
}

/** Gauges of partitions, for autoscaling and for operators on call. */
function partitionGauges(metrics: Metrics): ShowHead {
  const gauge = (name: string, help: string, of: (state: HeadState) => number) => ({
    gauge: metrics.gauge(`loki_ingester_partition_${name}`, help, ['partition']),
    of,
  });
  const gauges = [
    gauge('lag_records', 'Records not yet consumed.', ({ lagRecords }) => lagRecords),
    gauge('bytes', 'Bytes of the partition that are held in memory.', ({ memoryBytes }) => memoryBytes),
    gauge('consumed_offset', 'Records below it are consumed.', ({ consumedOffset }) => consumedOffset),
    gauge('committed_offset', 'Records below it are in the store.', ({ committedOffset }) => committedOffset),
    gauge(
      'oldest_seconds',
      'Age of the oldest record that waits for its flush.',
      (state) => state.oldestSeconds,
    ),
    gauge('leader', '1 when this owner flushes.', ({ isLeader }) => Number(isLeader)),
  ];
  return (partition, state) => {
    for (const each of gauges) {
      if (state) each.gauge.set({ partition }, each.of(state));
      else each.gauge.remove({ partition });
    }
  };
}
