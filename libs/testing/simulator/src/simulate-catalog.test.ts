/**
 * Protects: what was committed is read once, also by processes that slept while old manifests were removed,
 * and when a part of a checkpoint is damaged.
 */
import { casesOf } from '@loki/test-tools';
import { catalogBugs } from './catalog-bugs.ts';
import type { CatalogBug } from './catalog-bugs.ts';
import { simulateCatalog } from './simulate-catalog.ts';

const seeds = casesOf({ few: 12, many: 200 });
const seedsPerBug = 60;

test('one seed plays the same each time', async () => {
  const [one, again] = [await simulateCatalog({ seed: 5 }), await simulateCatalog({ seed: 5 })];
  expect(again).toEqual(one);
});

test('each commit is read once, whoever slept, crashed or removed meanwhile', async () => {
  const total = { acked: 0, commits: 0, compactions: 0, drops: 0, crashes: 0, sealed: 0, removed: 0 };
  let answered = 0;
  let parts = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const { violations, outcomes, counts } = await simulateCatalog({ seed });
    expect({ seed, violations }).toEqual({ seed, violations: [] });
    const { queries, queriesFailed, damaged, ...others } = counts;
    parts += damaged;
    answered += queries - queriesFailed;
    total.acked += outcomes.acked;
    for (const [name, count] of Object.entries(others)) total[name as keyof typeof others] += count;
  }
  // A run in which nothing happened would prove nothing.
  for (const count of Object.values(total)) expect(count).toBeGreaterThan(seeds);
  expect(answered).toBeGreaterThan(seeds);
  expect(parts).toBeGreaterThan(0);
}, 240_000);

test.each(Object.keys(catalogBugs) as CatalogBug[])(
  'finds a planted bug: %s',
  async (bug) => {
    for (let seed = 1; seed <= seedsPerBug; seed++) {
      if ((await simulateCatalog({ seed, bug })).violations.length > 0) return;
    }
    throw new Error(`${bug} was not found within ${seedsPerBug} seeds`);
  },
  240_000,
);
