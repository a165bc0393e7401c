import { readFileSync } from 'node:fs';
import { plantedBugs, simulate } from '@loki/testkit';
import type { SimResult } from '@loki/testkit';
import { parseArgs, usage } from './args.ts';
import type { SimArgs } from './args.ts';
import { parseKnownSeeds } from './known-seeds.ts';

main().then(
  (isGood) => (process.exitCode = isGood ? 0 : 1),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    console.error(usage);
    process.exitCode = 2;
  },
);

/** True when all is as it should be: no seed fails, or, with a planted bug, one does. */
async function main(): Promise<boolean> {
  const args = parseArgs(process.argv.slice(2));
  const seeds = Array.from({ length: args.seeds }, (_, i) => args.fromSeed + i);
  if (args.isKnownToo) seeds.push(...readKnownSeeds().map((known) => known.seed));
  const total = emptyTotals();
  const failing: number[] = [];
  for (const seed of seeds) {
    const result = await simulate({ seed, bug: args.bug, onTrace: args.isTracing ? console.log : undefined });
    addTo(total, result);
    if (args.seeds === 1) console.log(describe(result));
    if (result.violations.length === 0) continue;
    failing.push(seed);
    report(result, args);
    if (args.bug) break;
  }
  console.log(`${seeds.length} seeds: ${JSON.stringify(total)}`);
  if (args.bug) {
    const found = failing.length > 0;
    console.log(
      `${args.bug} (${plantedBugs[args.bug]}): ${found ? `found by seed ${failing[0]}` : 'NOT FOUND'}`,
    );
    return found;
  }
  console.log(failing.length === 0 ? 'every promise held' : `FAILED: ${failing.join(' ')}`);
  return failing.length === 0;
}

function readKnownSeeds() {
  return parseKnownSeeds(readFileSync(new URL('../seeds.txt', import.meta.url), 'utf8'));
}

function report(result: SimResult, args: SimArgs): void {
  console.log(`seed ${result.seed} broke a promise after ${result.virtualMs} virtual ms:`);
  for (const { text } of result.violations.slice(0, 5)) console.log(`  ${text.slice(0, 300)}`);
  if (result.violations.length > 5) console.log(`  … and ${result.violations.length - 5} more`);
  const bug = args.bug ? ` --bug ${args.bug}` : '';
  console.log(`  again: npm run sim -- --seed ${result.seed}${bug} --trace`);
}

function describe({ seed, traceHash, eventsRun, virtualMs }: SimResult): string {
  return `seed ${seed}: trace ${traceHash}, ${eventsRun} events in ${virtualMs} virtual ms`;
}

/** What all seeds together went through: a run in which nothing happened proves nothing. */
function emptyTotals(): Record<string, number> {
  return { acked: 0, unknown: 0, rejected: 0, events: 0 };
}

function addTo(total: Record<string, number>, { outcomes, counts, eventsRun }: SimResult): void {
  total.acked += outcomes.acked;
  total.unknown += outcomes.unknown;
  total.rejected += outcomes.rejected;
  total.events += eventsRun;
  for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
}
