/** Named scenarios of the chaos test, one for each row of docs/reliability.md. */
import type { LoadShape } from './rounds.ts';

/** The settings of a run, which its flags may override. */
export interface Scenario {
  readonly about: string;
  /** Kinds of faults; none: all. */
  readonly kinds: readonly string[];
  readonly rounds: number;
  /** Faults of each round; undefined: one, and often two. */
  readonly atOnce: number | undefined;
  readonly pauseMs: { readonly min: number; readonly max: number };
  readonly load: LoadShape;
  readonly lineBytes: number;
  readonly queriesPerSecond: number;
  /** Fewer acknowledged lines prove too little: further rounds follow, and the run fails at the end. */
  readonly ackedMin: number;
}

const all: Scenario = {
  about: 'all kinds of faults',
  kinds: [],
  rounds: 10,
  atOnce: undefined,
  pauseMs: { min: 3_000, max: 15_000 },
  load: { linesPerSecond: 400, linesPerPush: 40, clients: 4 },
  lineBytes: 120,
  queriesPerSecond: 4,
  ackedMin: 1,
};

/** Rows of docs/reliability.md that need real processes. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  all,
  acked: {
    ...all,
    about: 'SIGKILL of each app and of a broker at once, 204 kills, until 10 million lines are acknowledged',
    kinds: [
      'kill-gateway',
      'kill-distributor',
      'kill-ingester',
      'kill-querier',
      'kill-compactor',
      'kill-broker',
    ],
    rounds: 34,
    atOnce: 6,
    load: { linesPerSecond: 24_000, linesPerPush: 1_000, clients: 6 },
    lineBytes: 40,
    queriesPerSecond: 2,
    ackedMin: 10_000_000,
  },
  zombie: {
    ...all,
    about: 'an ingester is stopped for longer than the ring waits for it, and goes on, 50 times',
    kinds: ['pause-ingester'],
    rounds: 50,
    atOnce: 1,
    pauseMs: { min: 12_000, max: 16_000 },
  },
  brokers: {
    ...all,
    about: 'one broker stays away, then two of three',
    kinds: ['lose-broker', 'lose-two-brokers'],
    rounds: 4,
    atOnce: 1,
  },
  clock: {
    ...all,
    about: 'the clock of one process after another is 24 hours ahead or behind',
    kinds: ['skew-gateway', 'skew-ingester', 'skew-querier', 'skew-compactor'],
    rounds: 8,
    atOnce: 1,
  },
  outage: {
    ...all,
    about: 'the object store is away for 30 minutes',
    kinds: ['lose-minio'],
    rounds: 1,
    atOnce: 1,
    pauseMs: { min: 1_800_000, max: 1_800_000 },
    load: { linesPerSecond: 2_000, linesPerPush: 200, clients: 4 },
    queriesPerSecond: 1,
  },
  cut: {
    ...all,
    about: 'connections end in place of 1,000 acknowledgements of Kafka and 1,000 of gateways',
    kinds: ['cut-produce', 'cut-push'],
    rounds: 20,
    atOnce: 2,
    load: { linesPerSecond: 2_000, linesPerPush: 20, clients: 16 },
  },
  partitions: {
    ...all,
    about: 'partitions are added while lines come in, and processes are killed meanwhile',
    kinds: ['add-partitions', 'kill-ingester', 'kill-querier', 'kill-compactor'],
    rounds: 4,
    atOnce: 2,
    load: { linesPerSecond: 2_000, linesPerPush: 40, clients: 8 },
  },
  upgrade: {
    ...all,
    about: 'all start as version N-1 (--previous COMMIT), and one app after the other becomes this version',
    kinds: [
      'upgrade-gateway',
      'upgrade-distributor',
      'upgrade-ingester',
      'upgrade-querier',
      'upgrade-compactor',
    ],
    rounds: 5,
    atOnce: 1,
  },
};
