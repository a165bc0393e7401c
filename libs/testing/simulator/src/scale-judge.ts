/** Judges the owners of partitions in a large simulated system. */
import type { Ring } from '@loki/ring';
import type { Violation } from './ledger.ts';
import type { OwnersOf } from './scale-bugs.ts';
import { scaleZones } from './scale-host.ts';

/** The rule by which members own partitions, and the number of these. */
interface Ownership {
  readonly owners: OwnersOf;
  readonly partitions: number;
}

/**
 * Each partition has an owner in each zone that has members: all members of a zone may have left.
 *
 * @param zones by the id of a member
 */
export function ownerFaults(
  ring: Ring,
  zones: ReadonlyMap<string, string>,
  { owners, partitions }: Ownership,
): Violation[] {
  const faults: Violation[] = [];
  const livingZones = new Set(ring.eligible.map(({ id }) => zones.get(id))).size;
  for (let partition = 0; partition < partitions; partition++) {
    const ids = owners(ring, partition, scaleZones);
    if (new Set(ids.map((id) => zones.get(id))).size === livingZones) continue;
    faults.push({ kind: 'owners', text: `owners: partition ${partition} has ${ids.join(', ')}` });
  }
  return faults;
}

/**
 * One member came or went: of each partition one place may change, and of a share of all partitions alone.
 */
export function moveFaults(before: Ring, after: Ring, { owners, partitions }: Ownership): Violation[] {
  const faults: Violation[] = [];
  let moves = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const former = owners(before, partition, scaleZones);
    const fresh = owners(after, partition, scaleZones).filter((id) => !former.includes(id));
    moves += fresh.length;
    if (fresh.length > 1) {
      faults.push({ kind: 'moves', text: `moves: ${fresh.length} places of partition ${partition}` });
    }
  }
  // A member has this many places on average; its tokens leave it below four times that.
  const average = (partitions * scaleZones) / before.eligible.length;
  const movesMax = 4 * average + 4;
  if (moves > movesMax) {
    faults.push({ kind: 'moves', text: `moves: ${moves} places for one member, at most ${movesMax}` });
  }
  return faults;
}
