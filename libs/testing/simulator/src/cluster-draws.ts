/** Sizes and times that a seed draws for the processes of a cluster. */
import type { CompactorOptions } from '@loki/compactor';
import type { IngesterOptions } from '@loki/ingester';
import { Prng } from '@loki/virtual';
import type { ClusterBug } from './cluster-bugs.ts';
import type { ClusterFaults } from './cluster-faults.ts';
import { drawIngesterOptions } from './sim-ingester-options.ts';

/** Each third seed adds partitions, and so does each with a planted bug that concerns them. */
export function drawGrowth(seed: number, bug: ClusterBug | undefined): Prng | undefined {
  const bugsOfGrowth: readonly unknown[] = ['partitionsByNow', 'partitionsUnasked', 'clocksBelieved'];
  if (bugsOfGrowth.includes(bug)) return new Prng(`growth ${seed}`);
  // These seeds are long: other bugs are found without them.
  const mayGrow = bug === undefined || bug === 'appendsOvertake';
  return mayGrow && seed % 3 === 2 ? new Prng(`growth ${seed}`) : undefined;
}

/**
 * Clocks of distributors while partitions are added: the first one's is right, others are up to a day behind.
 * A change of the clocks of other seeds would play them otherwise.
 */
export function drawSkews(seed: number, bug: ClusterBug | undefined): ((name: string) => number) | undefined {
  const isDrawn = bug === 'clocksBelieved' || (bug === undefined && seed % 6 === 5);
  if (!isDrawn) return undefined;
  return (name) => {
    if (!name.startsWith('distributor-') || name === 'distributor-0') return 0;
    const random = new Prng(`clocks ${seed} ${name}`);
    return -Math.round(random.pick([0, 60_000, 86_400_000]) * random.float());
  };
}

/** More owners, and a log that is read across a network. */
export function drawClusterIngesterOptions(random: Prng): Partial<IngesterOptions> {
  return {
    ...drawIngesterOptions(random),
    flushCheckMs: 2_000,
    headBytesMax: 1_200_000,
    readWaitMs: 1_000,
    logMarginRecords: random.pick([0, 0, 20]),
  };
}

/** Times of production in proportion: grace outlives queries, which run 20 s at most. */
export function drawCompactorOptions(random: Prng, removesRows: boolean): Partial<CompactorOptions> {
  return {
    intervalMs: random.pick([1_000, 5_000]),
    settleMs: random.pick([0, 1_000]),
    closeDelayMs: random.pick([5_000, 60_000]),
    fanIn: random.pick([2, 3]),
    dropAfterMs: 30_000,
    deleteDelayMs: 30_000,
    orphanAfterMs: 120_000,
    orphanIntervalMs: 5_000,
    commitWithinMs: 30_000,
    removeManifestsAfterMs: 1_000,
    cancelPeriodMs: random.pick([0, 5_000]),
    removesRows,
  };
}

/**
 * Steps of sharded streams promise nothing to a clock that is hours wrong, nor to a process that only the
 * store cannot reach.
 */
export function withinShardPromises(faults: ClusterFaults): ClusterFaults {
  return { ...faults, clockJumpEveryMs: Number.POSITIVE_INFINITY, cutEveryMs: Number.POSITIVE_INFINITY };
}

/** The distributor whose clock is right is there during a stage, and no step is late for another one. */
export function withinClockPromises(faults: ClusterFaults): ClusterFaults {
  return { ...faults, pauseEveryMs: Number.POSITIVE_INFINITY };
}
