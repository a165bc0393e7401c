/** Draws the faults of a simulated cluster from the seed. */
import { noLogFaults, noNetworkFaults, noRingFaults, noStoreFaults } from '@loki/virtual';
import type { LogFaults, NetworkFaults, Prng, RingFaults, StoreFaults } from '@loki/virtual';

const never = Number.POSITIVE_INFINITY;

/** Which faults a seed has, and how strong. Times are means between two of a kind; Infinity: none. */
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
  const some = <T>(value: T, none: T): T => (random.chance(0.5) ? value : none);
  return {
    network: {
      lost: some(random.pick([0.01, 0.1]), 0),
      repeated: some(0.05, 0),
      delayMinMs: 0,
      delayMaxMs: random.pick([2, 50, 500]),
    },
    store: {
      ...noStoreFaults,
      errorBefore: some(random.pick([0.02, 0.1]), 0),
      answerLost: some(random.pick([0.02, 0.1]), 0),
      bitFlip: some(0.01, 0),
      delayMaxMs: random.pick([5, 50, 500]),
    },
    log: {
      ...noLogFaults,
      appendError: some(0.05, 0),
      ackLost: some(0.05, 0),
      repeat: some(0.1, 0),
      readError: some(0.05, 0),
      delayMaxMs: random.pick([2, 20, 200]),
    },
    ring: {
      ...noRingFaults,
      error: some(0.1, 0),
      answerLost: some(0.1, 0),
      newsLost: some(random.pick([0.3, 1]), 0),
      delayMaxMs: random.pick([5, 500]),
    },
    crashEveryMs: some(random.pick([5_000, 20_000]), never),
    pauseEveryMs: some(random.pick([5_000, 20_000]), never),
    cutEveryMs: some(random.pick([3_000, 10_000]), never),
    leaderMoveEveryMs: some(random.pick([300, 3_000]), never),
    logDownEveryMs: some(20_000, never),
    storeDownEveryMs: some(20_000, never),
    ringDownEveryMs: some(15_000, never),
    ringWipeEveryMs: some(15_000, never),
    ringRewindEveryMs: some(10_000, never),
    clockJumpEveryMs: some(20_000, never),
    scaleEveryMs: some(15_000, never),
    flushEveryMs: random.pick([1_000, 5_000, 20_000]),
    hookCrash: some(0.05, 0),
  };
}

/** Nothing goes wrong, and quickly. */
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
