/** Draws the faults of a simulated cluster from the seed. */
import { noLogFaults, noNetworkFaults, noRingFaults, noStoreFaults } from '@loki/virtual';
import type { LogFaults, NetworkFaults, Prng, RingFaults, StoreFaults } from '@loki/virtual';

const never = Number.POSITIVE_INFINITY;

/** The faults of a seed, with their strength. Times are means of intervals; Infinity: never. */
export interface ClusterFaults {
  readonly network: NetworkFaults;
  readonly store: StoreFaults;
  readonly log: LogFaults;
  readonly ring: RingFaults;
  readonly crashEveryMs: number;
  readonly pauseEveryMs: number;
  readonly cutEveryMs: number;
  readonly leaderMoveEveryMs: number;
  readonly logDownEveryMs: number;
  readonly storeDownEveryMs: number;
  readonly ringDownEveryMs: number;
  readonly ringWipeEveryMs: number;
  readonly ringRewindEveryMs: number;
  readonly clockJumpEveryMs: number;
  readonly scaleEveryMs: number;
  readonly flushEveryMs: number;
  /** Odds that the simulator stops a process at a named point. */
  readonly hookCrash: number;
}

export function drawClusterFaults(random: Prng): ClusterFaults {
  const sometimes = <T>(value: T, none: T): T => (random.chance(0.5) ? value : none);
  return {
    network: {
      lost: sometimes(random.pick([0.01, 0.1]), 0),
      repeated: sometimes(0.05, 0),
      delayMinMs: 0,
      delayMaxMs: random.pick([2, 50, 500]),
    },
    store: {
      ...noStoreFaults,
      errorBefore: sometimes(random.pick([0.02, 0.1]), 0),
      answerLost: sometimes(random.pick([0.02, 0.1]), 0),
      bitFlip: sometimes(0.01, 0),
      delayMaxMs: random.pick([5, 50, 500]),
    },
    log: {
      ...noLogFaults,
      appendError: sometimes(0.05, 0),
      ackLost: sometimes(0.05, 0),
      repeat: sometimes(0.1, 0),
      readError: sometimes(0.05, 0),
      delayMaxMs: random.pick([2, 20, 200]),
    },
    ring: {
      ...noRingFaults,
      error: sometimes(0.1, 0),
      answerLost: sometimes(0.1, 0),
      newsLost: sometimes(random.pick([0.3, 1]), 0),
      delayMaxMs: random.pick([5, 500]),
    },
    crashEveryMs: sometimes(random.pick([5_000, 20_000]), never),
    pauseEveryMs: sometimes(random.pick([5_000, 20_000]), never),
    cutEveryMs: sometimes(random.pick([3_000, 10_000]), never),
    leaderMoveEveryMs: sometimes(random.pick([300, 3_000]), never),
    logDownEveryMs: sometimes(20_000, never),
    storeDownEveryMs: sometimes(20_000, never),
    ringDownEveryMs: sometimes(15_000, never),
    ringWipeEveryMs: sometimes(15_000, never),
    ringRewindEveryMs: sometimes(10_000, never),
    clockJumpEveryMs: sometimes(20_000, never),
    scaleEveryMs: sometimes(15_000, never),
    flushEveryMs: random.pick([1_000, 5_000, 20_000]),
    hookCrash: sometimes(0.05, 0),
  };
}

/** A cluster without faults, and with short delays. */
export const noClusterFaults: ClusterFaults = {
  network: noNetworkFaults,
  store: noStoreFaults,
  log: noLogFaults,
  ring: noRingFaults,
  crashEveryMs: never,
  pauseEveryMs: never,
  cutEveryMs: never,
  leaderMoveEveryMs: never,
  logDownEveryMs: never,
  storeDownEveryMs: never,
  ringDownEveryMs: never,
  ringWipeEveryMs: never,
  ringRewindEveryMs: never,
  clockJumpEveryMs: never,
  scaleEveryMs: never,
  flushEveryMs: never,
  hookCrash: 0,
};
