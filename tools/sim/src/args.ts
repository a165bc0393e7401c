import { plantedBugs } from '@loki/testkit';
import type { PlantedBug } from '@loki/testkit';

/** What to simulate. */
export interface SimArgs {
  readonly fromSeed: number;
  readonly seeds: number;
  readonly bug: PlantedBug | undefined;
  /** Print every event. */
  readonly isTracing: boolean;
  /** Also the seeds of seeds.txt. */
  readonly isKnownToo: boolean;
}

export const usage = `npm run sim -- [--seed N | --seeds COUNT [--from N]] [--bug NAME] [--trace] [--known]

  --seed N       one seed, with its figures
  --seeds COUNT  so many seeds, from --from (default 1)
  --bug NAME     plants a bug; the run succeeds when a seed finds it: ${Object.keys(plantedBugs).join(', ')}
  --trace        prints every event: compare two runs where they part
  --known        also the seeds of tools/sim/seeds.txt
`;

/** A mistake on the command line is an Error with the reason. */
export function parseArgs(words: readonly string[]): SimArgs {
  let fromSeed = 1;
  let seeds = 1;
  let bug: PlantedBug | undefined;
  let isTracing = false;
  let isKnownToo = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '--trace') isTracing = true;
    else if (word === '--known') isKnownToo = true;
    else if (word === '--seed' || word === '--from') fromSeed = wholeNumber(word, words[++i]);
    else if (word === '--seeds') seeds = wholeNumber(word, words[++i]);
    else if (word === '--bug') bug = bugNamed(words[++i]);
    else throw new Error(`unknown argument ${word}`);
  }
  return { fromSeed, seeds, bug, isTracing, isKnownToo };
}

function wholeNumber(name: string, text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !Number.isSafeInteger(value) || value < 0)
    throw new Error(`${name} wants a whole number`);
  return value;
}

function bugNamed(name: string | undefined): PlantedBug {
  if (name === undefined || !Object.hasOwn(plantedBugs, name)) throw new Error(`no such bug: ${name}`);
  return name as PlantedBug;
}
