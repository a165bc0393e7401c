/**
 * Protects large systems: all processes agree on owners, one member moves little, and readers find each
 * commit without asking the store for each partition.
 */
import { casesOf } from '@loki/test-tools';
import { scaleBugs } from './scale-bugs.ts';
import type { ScaleBug } from './scale-bugs.ts';
import { simulateScale } from './simulate-scale.ts';

const seeds = casesOf({ few: 2, many: 20 });
/** Most are found by the first seed. */
const seedsPerBug = 40;
const sizes = { members: 24, partitions: 40 };

test('one seed plays the same each time', async () => {
  const [one, again] = [await simulateScale({ seed: 5, sizes }), await simulateScale({ seed: 5, sizes })];
  expect(again).toEqual(one);
});

test('members agree on living owners, and readers have each commit once', async () => {
  const total = { commits: 0, crashes: 0, pauses: 0, joined: 0, left: 0 };
  for (let seed = 1; seed <= seeds; seed++) {
    const { violations, counts } = await simulateScale({ seed, sizes });
    expect({ seed, violations }).toEqual({ seed, violations: [] });
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name];
  }
  // A run in which nothing happened would prove nothing.
  for (const count of Object.values(total)) expect(count).toBeGreaterThan(seeds);
});

test.each(Object.keys(scaleBugs) as ScaleBug[])('finds a planted bug: %s', async (bug) => {
  for (let seed = 1; seed <= seedsPerBug; seed++) {
    if ((await simulateScale({ seed, bug, sizes })).violations.length > 0) return;
  }
  throw new Error(`${bug} was not found within ${seedsPerBug} seeds`);
});
