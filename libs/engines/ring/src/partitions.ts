/** Owners and leaders of partitions: step *consume* of a written line. */
import type { RingView } from './ring-view.ts';
import type { Ring } from './ring.ts';
import { partitionToken } from './tokens.ts';

/**
 * Ids of the members that own a partition, the leader first: at most `replicationFactor`, in different zones
 * when the ring has enough zones. Empty for a ring without members. O(log tokens) each.
 */
export function partitionOwners(ring: Ring, partition: number, replicationFactor: number): string[] {
  return ring.owners(partitionToken(partition), replicationFactor).map((instance) => instance.id);
}

/** Partitions that the member `id` owns, ascending. */
function partitionsOwnedBy(
  ring: Ring,
  id: string,
  options: { partitionCount: number; replicationFactor: number },
): number[] {
  const owned: number[] = [];
  for (let partition = 0; partition < options.partitionCount; partition++) {
    if (partitionOwners(ring, partition, options.replicationFactor).includes(id)) owned.push(partition);
  }
  return owned;
}

/** The number of partitions, which may grow. */
interface PartitionCount {
  readonly owned: number;
  /** Calls `listener` after each change. @returns ends that */
  onChange(listener: () => void): () => void;
}

/**
 * Calls back with the partitions that a member owns, now and after each change; returns a function that ends
 * the subscription.
 */
export function ownedPartitions(
  view: RingView,
  id: string,
  { partitions, replicationFactor }: { partitions: PartitionCount; replicationFactor: number },
): (onChange: (partitions: readonly number[]) => void) => () => void {
  return (onChange) => {
    let last: string | undefined;
    const look = (ring: Ring): void => {
      const owned = partitionsOwnedBy(ring, id, { partitionCount: partitions.owned, replicationFactor });
      if (owned.join() === last) return;
      last = owned.join();
      onChange(owned);
    };
    const stops = [view.onChange(look), partitions.onChange(() => look(view.ring))];
    return () => {
      for (const stop of stops) stop();
    };
  };
}

/** Whether a member leads a partition in the present ring. */
export function partitionLeadership(view: RingView, id: string): (partition: number) => boolean {
  return (partition) => partitionOwners(view.ring, partition, 1)[0] === id;
}
