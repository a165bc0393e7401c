/** The open batches of all partitions, and a push's part in them: step *batch* of a written line. */
import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import type { Random, SlicedWork } from '@loki/ports';
import type { PushRows } from '../rows/push-rows.ts';
import { consumeMicros } from './consumer-lag.ts';
import { PartitionBatcher } from './partition-batcher.ts';
import type { BatcherDeps, BatcherOptions } from './partition-batcher.ts';
import type { StreamPlacement } from './stream-placement.ts';
import { runsOfStream, writeRun } from './write-rows.ts';

interface PartitionBatchesDeps extends Omit<BatcherDeps, 'writerId'> {
  readonly random: Random;
}

/** A batcher for each partition, made at the first use: partitions are added while the distributor runs. */
export class PartitionBatches {
  readonly #deps: BatcherDeps;
  readonly #options: BatcherOptions;
  readonly #batchers: PartitionBatcher[] = [];

  constructor(deps: PartitionBatchesDeps, options: BatcherOptions) {
    this.#deps = { ...deps, writerId: Buffer.from(deps.random.bytes(16)).toString('hex') };
    this.#options = options;
  }

  of(partition: number): PartitionBatcher {
    return (this.#batchers[partition] ??= new PartitionBatcher(partition, this.#deps, this.#options));
  }

  /** Appends the open batches. Later pushes are still accepted. */
  async drain(): Promise<void> {
    await Promise.all(this.#batchers.map((batcher) => batcher.drain()));
  }
}

/** The stream rows that one push writes into batches. */
interface WrittenPush {
  readonly tenant: TenantId;
  readonly rows: PushRows;
  readonly limits: Limits;
  /** Bytes that are written between two looks at the clock. */
  readonly runBytesMax: number;
}

/** The batches that one push writes to. */
export class PushBatches {
  readonly #push: WrittenPush;
  readonly #placement: StreamPlacement;
  readonly #batches: PartitionBatches;
  /** Batchers with rows of the push that are not committed yet. */
  readonly #written = new Set<PartitionBatcher>();
  /** Resolve when the log has acknowledged the rows. */
  readonly acks: Promise<void>[] = [];

  constructor(push: WrittenPush, placement: StreamPlacement, batches: PartitionBatches) {
    this.#push = push;
    this.#placement = placement;
    this.#batches = batches;
  }

  /** Writes the valid rows of the stream at `places` of the push into the batches of their partitions. */
  *write(places: readonly number[]): SlicedWork<void> {
    const { tenant, rows, limits, runBytesMax: bytesMax } = this.#push;
    const partition = this.#placement.partitionOf(tenant, rows.streams[places[0]], rows, limits);
    for (const run of runsOfStream(rows, places, { partition, bytesMax })) {
      const batcher = this.#batches.of(run.partition);
      const writer = batcher.writer(tenant);
      this.#written.add(batcher);
      const { rowCount, byteSize, nameCount } = writer;
      writeRun(rows, run, limits, writer);
      batcher.wrote(tenant, consumeMicros({ rowCount, byteSize, nameCount }, writer));
      // One push must not fill a batch without bound.
      if (batcher.isLarge) this.acks.push(batcher.commit(tenant));
      yield;
    }
  }

  /** The rows written so far may be appended. */
  commit(): void {
    for (const batcher of this.#written) this.acks.push(batcher.commit(this.#push.tenant));
    this.#written.clear();
  }
}
