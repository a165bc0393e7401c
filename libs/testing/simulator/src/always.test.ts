/** Protects runs about one fault from seeds in which it never strikes: they would prove nothing. */
import { alwaysFaults } from './always.ts';
import type { AlwaysFault } from './always.ts';
import { simulateCluster } from './simulate-cluster.ts';
import { simulate } from './simulate.ts';

const cases = Object.entries(alwaysFaults).flatMap(([fault, models]) =>
  (['process', 'cluster'] as const)
    .filter((model) => model in models)
    .map((model) => [fault as AlwaysFault, model] as const),
);

test.each(cases)('%s strikes in the model of a %s, and every promise holds', async (always, model) => {
  const labels = new Set<string>(alwaysFaults[always].labels);
  let strikes = 0;
  for (const seed of [1, 2, 3]) {
    const onTrace = (line: string): void => void (labels.has(line.replace(/^\S+ /, '')) && strikes++);
    const run = model === 'process' ? simulate : simulateCluster;
    expect((await run({ seed, always, onTrace })).violations).toEqual([]);
  }
  expect(strikes).toBeGreaterThan(2);
});
