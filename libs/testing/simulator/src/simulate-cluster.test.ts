/** Protects: several processes keep every acknowledged line exactly once, and planted mistakes are found. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { casesOf } from '@loki/test-tools';
import { clusterBugs } from './cluster-bugs.ts';
import type { ClusterBug } from './cluster-bugs.ts';
import { simulateCluster } from './simulate-cluster.ts';

/** Seeds of a check; `npm run sim -- --model cluster --seeds N` plays as many as there is time for. */
const seedsPerCheck = casesOf({ few: 3, many: 25 });
/** A planted bug must be found within 500 seeds; most are within the first dozen. */
const seedsPerBug = 80;
/** Seeds that find the rarer bugs today, tried before the others. */
const findingSeeds: Partial<Record<ClusterBug, number>> = {
  deletesKnownLate: 102,
  ackBeforeReplicas: 19,
  appendsOvertake: 11,
};

const fixedSeeds = readFileSync(join(__dirname, '../../../../tools/sim/seeds.txt'), 'utf8')
  .split('\n')
  .flatMap((line) => /^cluster (\d+) fixed /.exec(line)?.[1] ?? [])
  .map(Number);

describe('simulation of several processes', () => {
  test('one seed plays the same each time, to the last event', async () => {
    const [one, again] = [await simulateCluster({ seed: 3 }), await simulateCluster({ seed: 3 })];
    expect(again).toEqual(one);
  });

  test('what was acknowledged is there, once, and what is missing from an answer is said', async () => {
    const total = {
      acked: 0,
      unknown: 0,
      crashes: 0,
      flushes: 0,
      duplicates: 0,
      repeats: 0,
      merges: 0,
      moved: 0,
    };
    let answered = 0;
    for (const seed of [...Array.from({ length: seedsPerCheck }, (_, i) => i + 1), ...fixedSeeds]) {
      const { violations, outcomes, counts } = await simulateCluster({ seed });
      expect({ seed, violations }).toEqual({ seed, violations: [] });
      total.acked += outcomes.acked;
      total.unknown += outcomes.unknown;
      for (const name of ['crashes', 'flushes', 'duplicates', 'repeats', 'merges', 'moved'] as const) {
        total[name] += counts[name];
      }
      answered += counts.queries - counts.queriesFailed;
    }
    // A run in which nothing happened would prove nothing.
    for (const count of Object.values(total)) expect(count).toBeGreaterThan(seedsPerCheck);
    expect(answered).toBeGreaterThan(2 * seedsPerCheck);
  });

  test.each(Object.keys(clusterBugs) as ClusterBug[])('finds a planted bug: %s', async (bug) => {
    const seeds = Array.from({ length: seedsPerBug }, (_, i) => i + 1);
    for (const seed of [findingSeeds[bug] ?? 1, ...seeds]) {
      if ((await simulateCluster({ seed, bug })).violations.length > 0) return;
    }
    throw new Error(`${bug} was not found within ${seedsPerBug} seeds`);
  });
});
