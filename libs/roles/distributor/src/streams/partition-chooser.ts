/** The partition of a stream's rows: step *shard* of a written line. */
import { BoundedMap, fnv1a32 } from '@loki/model';
import type { TenantId } from '@loki/model';

/** Between two times, a stream's rows go to this many partitions. */
export interface ShardStep {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly shards: number;
}

/** The shards of hot streams, by placement hash; the same for all distributors and after their restarts. */
export interface StreamShards {
  /** Ascending; undefined: the stream's rows go to one partition. */
  of(placement: number): readonly ShardStep[] | undefined;
  /** Requests that rows newer than `newestSeconds` go to this many partitions. */
  want(placement: number, shards: number, newestSeconds: number): void;
  /** Waits until this process has read the steps of other distributors; undefined: it has. */
  caughtUp?(): Promise<void> | undefined;
}

/**
 * FNV-1a with a final mix: its low bits alone follow the low bits of the text, and labels that repeat a value
 * (`app` and the `service_name` derived from it) would cancel out.
 */
export function placementHash(text: string): number {
  let hash = fnv1a32(text);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Tenants whose partitions are cached; beyond this number the cache starts anew. */
const rememberedMax = 10_000;

/** The number of partitions from one second of row time on; the first step also holds for all rows before. */
export interface PartitionStep {
  readonly fromSeconds: number;
  readonly count: number;
}

/**
 * Which partition a stream goes to: its placement hash over the partitions of its tenant. A tenant with a
 * shard size uses only that number of partitions, the same ones in every process and independent of other
 * tenants.
 *
 * The number of partitions is that of the row's time, so that a row that is sent again goes where it went
 * before partitions were added.
 */
export class PartitionChooser {
  readonly #partitions: { readonly steps: readonly PartitionStep[] };
  readonly #remembered = new BoundedMap<string, readonly number[]>(rememberedMax);

  constructor(partitions: { readonly steps: readonly PartitionStep[] }) {
    this.#partitions = partitions;
  }

  /** Whether the partition of a stream depends on the row's time. */
  get dependsOnTime(): boolean {
    return this.#partitions.steps.length > 1;
  }

  /** Partitions of rows of the newest time. */
  get #newest(): number {
    return this.#partitions.steps.at(-1)!.count;
  }

  /** Partitions of rows of a time. */
  countAt(seconds: number): number {
    const { steps } = this.#partitions;
    let at = steps.length - 1;
    while (at > 0 && seconds < steps[at].fromSeconds) at--;
    return steps[at].count;
  }

  /**
   * @param shardSize partitions of the tenant; 0: all
   * @param shard number of the stream's shard: each goes to another partition while there are enough
   * @param count partitions of the row's time; default: those of the newest rows
   */
  choose(
    tenant: TenantId,
    hash: number,
    shardSize: number,
    { shard = 0, count = this.#newest }: { shard?: number; count?: number } = {},
  ): number {
    if (shardSize <= 0 || shardSize >= count) return (hash + shard) % count;
    const partitions = this.#shard(tenant, shardSize, count);
    return partitions[(hash + shard) % partitions.length];
  }

  /** Number of partitions that a tenant's streams may go to. */
  partitionsOf(shardSize: number): number {
    return shardSize <= 0 ? this.#newest : Math.min(shardSize, this.#newest);
  }

  /**
   * Rendezvous hashing: the partitions with the smallest hash of tenant and number, so that a larger shard
   * size only adds some.
   */
  #shard(tenant: TenantId, shardSize: number, count: number): readonly number[] {
    const key = `${count}/${shardSize}/${tenant}`;
    let shard = this.#remembered.get(key);
    if (!shard) {
      const ranked = Array.from({ length: count }, (_, partition) => ({
        partition,
        hash: placementHash(`${partition}/${tenant}`),
      })).sort((a, b) => a.hash - b.hash || a.partition - b.partition);
      shard = ranked.slice(0, shardSize).map((entry) => entry.partition);
      this.#remembered.set(key, shard);
    }
    return shard;
  }
}

/**
 * Rows of this many nanoseconds, a power of two, stay together: neighbouring lines compress well. About 17
 * ms.
 */
const grainBits = 24;

/**
 * The stream's shard for a row: chosen by its time alone, so that rows of one time stay in their order, and a
 * repeated row goes to the same partition.
 *
 * @param steps ascending; the number of shards for each stretch of time
 */
export function shardOfRow(steps: readonly ShardStep[], seconds: number, nanos: number): number {
  for (let i = steps.length - 1; i >= 0; i--) {
    const { fromSeconds, untilSeconds, shards } = steps[i];
    if (seconds < fromSeconds) continue;
    return seconds < untilSeconds && shards > 1 ? grainHash(seconds, nanos) % shards : 0;
  }
  return 0;
}

function grainHash(seconds: number, nanos: number): number {
  const grain = (Math.imul(seconds, 60) + (nanos >>> grainBits)) | 0;
  const hash = Math.imul(grain ^ (grain >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
