/**
 * Protects acknowledged lines of two processes that want one object store: blue and green, or a pod that
 * would not die.
 */
import { casesOf } from '@loki/test-tools';
import { ownerBugs, simulateOwners } from './simulate-owners.ts';
import type { OwnerBug } from './simulate-owners.ts';

const seeds = casesOf({ few: 12, many: 40 });
const seedsPerBug = 40;

test('one seed plays the same each time', async () => {
  const [one, again] = [await simulateOwners({ seed: 5 }), await simulateOwners({ seed: 5 })];
  expect(again).toEqual(one);
});

test('what either acknowledged is there, once, whoever owned the store meanwhile', async () => {
  const total = { acked: 0, moves: 0, refused: 0, lost: 0, crashes: 0, flushes: 0, together: 0 };
  for (let seed = 1; seed <= seeds; seed++) {
    const { violations, outcomes, counts } = await simulateOwners({ seed });
    expect({ seed, violations }).toEqual({ seed, violations: [] });
    total.acked += outcomes.acked;
    for (const [name, count] of Object.entries(counts)) total[name as keyof typeof counts] += count;
  }
  // A run in which nothing happened would prove nothing.
  for (const count of Object.values(total)) expect(count).toBeGreaterThan(seeds / 2);
});

test.each(Object.keys(ownerBugs) as OwnerBug[])('finds a planted bug: %s', async (bug) => {
  for (let seed = 1; seed <= seedsPerBug; seed++) {
    if ((await simulateOwners({ seed, bug })).violations.length > 0) return;
  }
  throw new Error(`${bug} was not found within ${seedsPerBug} seeds`);
});
