/** `npm run sim`: plays seeds of the simulator. */
import { readFileSync } from 'node:fs';
import { answerHelp, endWithUsageError } from '@loki/command-line';
import { alwaysFaults } from '@loki/simulator';
import type { AlwaysFault } from '@loki/simulator';
import { parseArgs, usage } from './args.ts';
import type { SimArgs } from './args.ts';
import { parseKnownSeeds } from './known-seeds.ts';
import { bugs, hasBug, hasFault, runModel } from './models.ts';
import type { Model } from './models.ts';

answerHelp(usage);
process.exitCode = (await main(argsOrUsageError())) ? 0 : 1;

function argsOrUsageError(): SimArgs {
  try {
    return parseArgs(process.argv.slice(2));
  } catch (error) {
    return endWithUsageError((error as Error).message);
  }
}

/** True when no seed fails, or, with a planted bug, when one does. */
async function main(args: SimArgs): Promise<boolean> {
  const failing: Play[] = [];
  const totals = new Map<Model, Record<string, number>>();
  const strikes = countStrikes(args.always);
  const all = plays(args);
  for (const [i, play] of all.entries()) {
    if (i > 0 && i % 100 === 0) console.error(`${i} of ${all.length}, ${failing.length} failed`);
    const { model, seed } = play;
    const result = await runModel(model, {
      seed,
      bug: args.bug,
      always: args.always,
      isLarge: args.isLarge,
      onTrace: args.isTracing ? console.log : strikes.onTrace,
    });
    let total = totals.get(model);
    if (!total) totals.set(model, (total = emptyTotals()));
    addTo(total, result);
    if (args.seeds === 1) console.log(describe(play, result));
    if (result.violations.length === 0) continue;
    failing.push(play);
    report(play, result, args);
    if (args.bug) break;
  }
  for (const [model, total] of totals) console.log(`${model}: ${JSON.stringify(total)}`);
  if (args.always) console.log(`${args.always}: ${strikes.count()} times`);
  if (args.bug) {
    const [failure] = failing;
    const outcome = failure ? `found by seed ${failure.seed} of ${failure.model}` : 'NOT FOUND';
    console.log(`${args.bug} (${bugs[args.bug]}): ${outcome}`);
    return failure !== undefined;
  }
  const names = failing.map(({ model, seed }) => `${model} ${seed}`);
  console.log(names.length === 0 ? 'every promise held' : `FAILED: ${names.join(', ')}`);
  return names.length === 0;
}

/** One seed, played by one model. */
interface Play {
  readonly model: Model;
  readonly seed: number;
}

function plays(args: SimArgs): Play[] {
  const { bug, always } = args;
  const models = args.models.filter(
    (model) => (bug === undefined || hasBug(model, bug)) && (always === undefined || hasFault(model, always)),
  );
  const seeds = Array.from({ length: args.seeds }, (_, i) => args.fromSeed + i);
  const runs = seeds.flatMap((seed) => models.map((model) => ({ model, seed })));
  const knownSeeds = args.isKnownToo ? readKnownSeeds().filter(({ model }) => models.includes(model)) : [];
  return [...runs, ...knownSeeds];
}

function readKnownSeeds() {
  return parseKnownSeeds(readFileSync(new URL('../seeds.txt', import.meta.url), 'utf8'));
}

/** Number of times that a fault struck: without one the run proves nothing. */
function countStrikes(fault: AlwaysFault | undefined) {
  let count = 0;
  if (fault === undefined) return { onTrace: undefined, count: () => count };
  const labels = new Set<string>(alwaysFaults[fault].labels);
  // A line of the trace: a time, and the label of an event.
  const onTrace = (line: string): void => void (labels.has(line.replace(/^\S+ /, '')) && count++);
  return { onTrace, count: () => count };
}

type Result = Awaited<ReturnType<typeof runModel>>;

function report({ model, seed }: Play, result: Result, args: SimArgs): void {
  console.log(`${model}, seed ${seed}, broke a promise after ${result.virtualMs} virtual ms:`);
  for (const { text } of result.violations.slice(0, 5)) console.log(`  ${text.slice(0, 300)}`);
  if (result.violations.length > 5) console.log(`  … and ${result.violations.length - 5} more`);
  const bug = args.bug ? ` --bug ${args.bug}` : '';
  console.log(`  again: npm run sim -- --model ${model} --seed ${seed}${bug} --trace`);
}

function describe({ model, seed }: Play, { traceHash, eventsRun, virtualMs }: Result): string {
  return `${model}, seed ${seed}: trace ${traceHash}, ${eventsRun} events in ${virtualMs} virtual ms`;
}

/** Events of all seeds together: a run without events proves nothing. */
function emptyTotals(): Record<string, number> {
  return { acked: 0, unknown: 0, rejected: 0, events: 0 };
}

function addTo(total: Record<string, number>, { outcomes, counts, eventsRun }: Result): void {
  total.acked += outcomes.acked;
  total.unknown += outcomes.unknown;
  total.rejected += outcomes.rejected;
  total.events += eventsRun;
  for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
}
