import { fnv1a32, type TenantId } from '@loki/model';

/**
 * FNV-1a with its bits mixed: its low bits alone follow the low bits of the text, and labels that repeat a value
 * (`app` and the `service_name` found from it) would cancel out of them.
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
 * Which partition a stream goes to: its placement hash over the partitions of its tenant. A tenant with a shard size
 * uses only so many partitions, the same ones everywhere and whatever the other tenants do.
 */
export class PartitionChooser {
  readonly #partitionCount: number;
  readonly #remembered = new Map<string, readonly number[]>();

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount;
  }

  /** @param shardSize partitions of the tenant; 0: all */
  choose(tenant: TenantId, hash: number, shardSize: number): number {
    if (shardSize <= 0 || shardSize >= this.#partitionCount) return hash % this.#partitionCount;
    const shard = this.#shard(tenant, shardSize);
    return shard[hash % shard.length];
  }

  /** Rendezvous: the partitions with the smallest hash of tenant and number, so that a larger shard only adds some. */
  #shard(tenant: TenantId, shardSize: number): readonly number[] {
    const key = `${shardSize}/${tenant}`;
    let shard = this.#remembered.get(key);
    if (!shard) {
      const ranked = Array.from({ length: this.#partitionCount }, (_, partition) => ({
        partition,
        hash: placementHash(`${partition}/${tenant}`),
      })).sort((a, b) => a.hash - b.hash || a.partition - b.partition);
      shard = ranked.slice(0, shardSize).map((entry) => entry.partition);
      if (this.#remembered.size >= rememberedMax) this.#remembered.clear();
      this.#remembered.set(key, shard);
    }
    return shard;
  }
}
