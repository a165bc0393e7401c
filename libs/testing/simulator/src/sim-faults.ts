/** Draws the faults of a simulated process from the seed. */
import { noDiskFaults, noStoreFaults } from '@loki/virtual';
import type { DiskFaults, Prng, StoreFaults } from '@loki/virtual';

/**
 * The faults of a seed, with their strength: different ones in each seed, because faults that are always on
 * hide each other.
 */
export interface FaultProfile {
  readonly store: StoreFaults;
  readonly disk: DiskFaults;
  /** Mean virtual time between two of each; Infinity: none. */
  readonly crashEveryMs: number;
  readonly pauseEveryMs: number;
  readonly storeDownEveryMs: number;
  readonly diskFullEveryMs: number;
  readonly clockJumpEveryMs: number;
  readonly flushEveryMs: number;
  /** Odds that the write log holds a record twice. */
  readonly logRepeats: number;
  /** Odds that the acknowledgement of a stored record is lost. */
  readonly logAckLost: number;
  /** Odds that the simulator stops the process at a named point. */
  readonly hookCrash: number;
}

export function drawFaults(random: Prng): FaultProfile {
  const sometimes = <T>(value: T, none: T): T => (random.chance(0.5) ? value : none);
  return {
    store: {
      ...noStoreFaults,
      errorBefore: sometimes(random.pick([0.02, 0.2]), 0),
      answerLost: sometimes(random.pick([0.02, 0.2]), 0),
      bitFlip: sometimes(random.pick([0.01, 0.1]), 0),
      delayMaxMs: random.pick([5, 50, 500]),
    },
    disk: {
      ...noDiskFaults,
      writeError: sometimes(0.01, 0),
      syncError: sometimes(0.01, 0),
      readError: sometimes(0.01, 0),
      delayMaxMs: random.pick([1, 10, 100]),
    },
    crashEveryMs: sometimes(random.pick([2_000, 10_000]), Number.POSITIVE_INFINITY),
    pauseEveryMs: sometimes(10_000, Number.POSITIVE_INFINITY),
    storeDownEveryMs: sometimes(15_000, Number.POSITIVE_INFINITY),
    diskFullEveryMs: sometimes(20_000, Number.POSITIVE_INFINITY),
    clockJumpEveryMs: sometimes(20_000, Number.POSITIVE_INFINITY),
    flushEveryMs: random.pick([500, 3_000, 10_000]),
    logRepeats: sometimes(0.1, 0),
    logAckLost: sometimes(0.05, 0),
    hookCrash: sometimes(0.05, 0),
  };
}

/** A process without faults, and with short delays. */
export const noFaults: FaultProfile = {
  store: noStoreFaults,
  disk: noDiskFaults,
  crashEveryMs: Number.POSITIVE_INFINITY,
  pauseEveryMs: Number.POSITIVE_INFINITY,
  storeDownEveryMs: Number.POSITIVE_INFINITY,
  diskFullEveryMs: Number.POSITIVE_INFINITY,
  clockJumpEveryMs: Number.POSITIVE_INFINITY,
  flushEveryMs: 3_000,
  logRepeats: 0,
  logAckLost: 0,
  hookCrash: 0,
};
