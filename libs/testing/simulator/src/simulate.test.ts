/** Protects: one process keeps every acknowledged line exactly once, and planted mistakes are found. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { casesOf } from '@loki/test-tools';
import { plantedBugs } from './planted-bugs.ts';
import type { PlantedBug } from './planted-bugs.ts';
import { simulate } from './simulate.ts';

/** Seeds of a check; `npm run sim -- --seeds N` plays as many as there is time for. */
const seedsPerCheck = casesOf({ few: 8, many: 40 });
/**
 * A planted bug must be found within 500 seeds; all are within the first few, and a check has no time for
 * more.
 */
const seedsPerBug = 40;

const fixedSeeds = readFileSync(join(__dirname, '../../../../tools/sim/seeds.txt'), 'utf8')
  .split('\n')
  .flatMap((line) => /^process (\d+) fixed /.exec(line)?.[1] ?? [])
  .map(Number);

describe('simulation', () => {
  test('one seed plays the same each time, to the last event', async () => {
    const [one, again, other] = [
      await simulate({ seed: 3 }),
      await simulate({ seed: 3 }),
      await simulate({ seed: 4 }),
    ];
    expect(again).toEqual(one);
    expect(other.traceHash).not.toBe(one.traceHash);
  });

  test('what was acknowledged is there, once, and only for its tenant, whatever goes wrong', async () => {
    const total = {
      acked: 0,
      unknown: 0,
      crashes: 0,
      flushes: 0,
      flushesLost: 0,
      duplicates: 0,
      repeats: 0,
      queries: 0,
      sharded: 0,
    };
    const seeds = [...Array.from({ length: seedsPerCheck }, (_, i) => i + 1), ...fixedSeeds];
    for (const seed of seeds) {
      const { violations, outcomes, counts } = await simulate({ seed });
      expect({ seed, violations }).toEqual({ seed, violations: [] });
      total.acked += outcomes.acked;
      total.unknown += outcomes.unknown;
      for (const name of [
        'crashes',
        'flushes',
        'flushesLost',
        'duplicates',
        'repeats',
        'queries',
        'sharded',
      ] as const) {
        total[name] += counts[name];
      }
    }
    // A run in which nothing happened would prove nothing.
    for (const count of Object.values(total)) expect(count).toBeGreaterThan(seedsPerCheck);
  });

  test.each(Object.keys(plantedBugs) as PlantedBug[])('finds a planted bug: %s', async (bug) => {
    for (let seed = 1; seed <= seedsPerBug; seed++) {
      if ((await simulate({ seed, bug })).violations.length > 0) return;
    }
    throw new Error(`${bug} was not found within ${seedsPerBug} seeds`);
  });
});
