/** The partitions of a stream's rows, shards of hot streams included: step *shard* of a written line. */
import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import type { PushRows } from '../rows/push-rows.ts';
import { PartitionChooser, shardOfRow } from '../streams/partition-chooser.ts';
import type { PartitionStep, StreamShards } from '../streams/partition-chooser.ts';
import type { ResolvedStream } from '../streams/resolve-stream.ts';

/** Knowledge of partitions and shards that this distributor has in common with the others. */
export interface StreamPlacementDeps {
  readonly writeLog: { readonly partitionCount: number };
  /** The shards of hot streams; absent: each stream goes to one partition. */
  readonly streamShards?: StreamShards;
  /** Number of partitions for rows of a time; absent: always the log's number. */
  readonly partitions?: {
    readonly steps: readonly PartitionStep[];
    /** Waits until additions of other distributors are known; undefined: they are. */
    caughtUp(): Promise<void> | undefined;
  };
}

/** Places rows: by their stream alone, or by their time, too, when the stream has shards. */
export class StreamPlacement {
  readonly #deps: StreamPlacementDeps;
  readonly #chooser: PartitionChooser;

  constructor(deps: StreamPlacementDeps) {
    this.#deps = deps;
    const steps = [{ fromSeconds: 0, count: deps.writeLog.partitionCount }];
    this.#chooser = new PartitionChooser(deps.partitions ?? { steps });
  }

  /** Waits until changes by other distributors are known; undefined: they are. */
  caughtUp(): Promise<unknown> | undefined {
    const { partitions, streamShards } = this.#deps;
    const waits = [partitions?.caughtUp() ?? [], streamShards?.caughtUp?.() ?? []].flat();
    return waits.length > 0 ? Promise.all(waits) : undefined;
  }

  /**
   * The partition of all rows of a stream, or of each: one, or as many as the stream has shards at the time
   * of the row.
   */
  partitionOf(
    tenant: TenantId,
    { placementHash }: ResolvedStream,
    rows: PushRows,
    { ingestionPartitionsTenantShardSize: shardSize }: Limits,
  ): number | ((row: number) => number) {
    const chooser = this.#chooser;
    const steps = this.#deps.streamShards?.of(placementHash) ?? [];
    if (steps.length === 0 && !chooser.dependsOnTime) return chooser.choose(tenant, placementHash, shardSize);
    return (row) => {
      const shard = shardOfRow(steps, rows.seconds[row], rows.nanos[row]);
      const count = chooser.countAt(rows.seconds[row]);
      return chooser.choose(tenant, placementHash, shardSize, { shard, count });
    };
  }

  /** Requests more partitions for a stream that grows fast. */
  requestShards({ placementHash, limits }: ResolvedStream, needed: number, newestSeconds: number): void {
    const partitions = this.#chooser.partitionsOf(limits.ingestionPartitionsTenantShardSize);
    // Powers of two: a growing stream reaches its number of shards in few steps.
    const shards = Math.min(2 ** Math.ceil(Math.log2(needed)), partitions);
    if (shards > 1) this.#deps.streamShards?.want(placementHash, shards, newestSeconds);
  }
}
