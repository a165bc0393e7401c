/** Faults that every seed of a run has (`--always NAME`). */
import type { ClusterFaults } from './cluster-faults.ts';
import type { FaultProfile } from './sim-faults.ts';

/**
 * Faults that a run may have often and in every seed; each seed draws all other faults. Times are means
 * of intervals, in virtual milliseconds; a model without an entry does not have the fault.
 */
export const alwaysFaults = {
  'disk-full': {
    labels: ['disk full'],
    process: { diskFullEveryMs: 5_000 },
  },
  clock: {
    labels: ['clock'],
    process: { clockJumpEveryMs: 5_000 },
    cluster: { clockJumpEveryMs: 3_000 },
  },
  'ring-loss': {
    labels: ['rings down', 'rings emptied', 'rings set back'],
    cluster: { ringDownEveryMs: 8_000, ringWipeEveryMs: 8_000, ringRewindEveryMs: 8_000 },
  },
  'store-outage': {
    labels: ['store down'],
    process: { storeDownEveryMs: 8_000 },
    cluster: { storeDownEveryMs: 8_000 },
  },
} as const satisfies Record<
  string,
  {
    /** Events of the trace that count as this fault. */
    readonly labels: readonly string[];
    readonly process?: Partial<FaultProfile>;
    readonly cluster?: Partial<ClusterFaults>;
  }
>;

/** Name of a fault that a run may have in every seed (`npm run sim -- --always NAME`). */
export type AlwaysFault = keyof typeof alwaysFaults;

/** Settings that a run with this fault puts in place of those that a seed draws. */
export function alwaysOf(fault: AlwaysFault | undefined): {
  readonly process?: Partial<FaultProfile>;
  readonly cluster?: Partial<ClusterFaults>;
} {
  return fault === undefined ? {} : alwaysFaults[fault];
}
