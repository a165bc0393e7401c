/** The partition of a stream's rows: step *shard* of a written line. */
import { BoundedMap, fnv1a32 } from '@loki/model';
import type { TenantId } from '@loki/model';

/** From one time to another a stream's rows go to so many partitions. */
export interface ShardStep {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly shards: number;
}

/**
 * Knows the shards of hot streams, by placement hash; the same for all distributors and after their restarts.
 */
export interface StreamShards {
  /** Ascending; undefined: the stream's rows go to one partition. */
  of(placement: number): readonly ShardStep[] | undefined;
  /** The stream grows so fast that rows newer than `newestSeconds` should go to so many. */
  want(placement: number, shards: number, newestSeconds: number): void;
  /** Waits until steps of other distributors are known; undefined: they are. */
  caughtUp?(): Promise<void> | undefined;
}

/**
 * FNV-1a with its bits mixed: its low bits alone follow the low bits of the text, and labels that repeat a
 * value (`app` and the `service_name` found from it) would cancel out of them.
 */
export function placementHash(text: string): number {
  let hash = fnv1a32(text);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Tenants whose partitions are remembered; beyond it the memory starts anew. */
const rememberedMax = 10_000;

/**
 * Which partition a stream goes to: its placement hash over the partitions of its tenant. A tenant with a
 * shard size uses only so many partitions, the same ones everywhere and whatever the other tenants do.
 */
export class PartitionChooser {
  readonly #partitionCount: number;
  readonly #remembered = new BoundedMap<string, readonly number[]>(rememberedMax);

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount;
  }

  /**
   * @param shardSize partitions of the tenant; 0: all
   * @param shard     of the stream: each goes to another partition, as long as there are others
   */
  choose(tenant: TenantId, hash: number, shardSize: number, shard = 0): number {
    if (shardSize <= 0 || shardSize >= this.#partitionCount) return (hash + shard) % this.#partitionCount;
    const partitions = this.#shard(tenant, shardSize);
    return partitions[(hash + shard) % partitions.length];
  }

  /** How many partitions a tenant's streams may go to. */
  partitionsOf(shardSize: number): number {
    return shardSize <= 0 ? this.#partitionCount : Math.min(shardSize, this.#partitionCount);
  }

  /**
   * Rendezvous: the partitions with the smallest hash of tenant and number, so that a larger shard only adds
   * some.
   */
  #shard(tenant: TenantId, shardSize: number): readonly number[] {
    const key = `${shardSize}/${tenant}`;
    let shard = this.#remembered.get(key);
    if (!shard) {
      const ranked = Array.from({ length: this.#partitionCount }, (_, partition) => ({
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
 * Nanoseconds, as a power of two, whose rows stay together: lines that follow each other compress well. About
 * 17 ms.
 */
const grainBits = 24;

/**
 * The shard of its stream that a row goes to: by its time alone, so that rows of one time stay in their
 * order, and a row that is sent again goes where it went before.
 *
 * @param steps ascending; they say for each time how many shards there are
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
