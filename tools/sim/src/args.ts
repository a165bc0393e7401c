/** Command line of the simulator. */
import { alwaysFaults } from '@loki/simulator';
import type { AlwaysFault } from '@loki/simulator';
import { bugs, models } from './models.ts';
import type { BugName, Model } from './models.ts';

/** Arguments of the program: seeds, models, planted mistake. */
export interface SimArgs {
  readonly fromSeed: number;
  readonly seeds: number;
  readonly bug: BugName | undefined;
  /** A fault of every seed; models that do not know it are left out. */
  readonly always: AlwaysFault | undefined;
  /** Each seed is played by all of these models. */
  readonly models: readonly Model[];
  /** Print every event. */
  readonly isTracing: boolean;
  /** A thousand members and partitions, by the model `scale` alone. */
  readonly isLarge: boolean;
  /** Also the seeds of seeds.txt. */
  readonly isKnownToo: boolean;
}

export const usage = `npm run sim -- [--seed N | --seeds COUNT [--from N]] [--model NAME] [--bug NAME] [--always FAULT] [--scale] [--trace] [--known]

  --seed N       one seed, with its figures
  --seeds COUNT  so many seeds, from --from (default 1)
  --model NAME   ${models.join(' or ')} alone; default all
  --bug NAME     plants a bug; the run succeeds when a seed finds it: ${Object.keys(bugs).join(', ')}
  --always FAULT every seed has this fault, often: ${Object.keys(alwaysFaults).join(', ')}
  --scale        the model scale alone, with 1,000 members and 1,000 partitions: some minutes for a seed
  --trace        prints every event: compare two runs where they part
  --known        also the seeds of tools/sim/seeds.txt
`;

/** A mistake on the command line is an Error with the reason. */
export function parseArgs(words: readonly string[]): SimArgs {
  let fromSeed = 1;
  let seeds = 1;
  let bug: BugName | undefined;
  let always: AlwaysFault | undefined;
  let selected: readonly Model[] = models;
  let isTracing = false;
  let isKnownToo = false;
  let isLarge = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '--trace') isTracing = true;
    else if (word === '--known') isKnownToo = true;
    else if (word === '--scale') [isLarge, selected] = [true, ['scale']];
    else if (word === '--seed' || word === '--from') fromSeed = wholeNumber(word, words[++i]);
    else if (word === '--seeds') seeds = wholeNumber(word, words[++i]);
    else if (word === '--model') selected = [modelNamed(words[++i])];
    else if (word === '--bug') bug = bugNamed(words[++i]);
    else if (word === '--always') always = faultNamed(words[++i]);
    else throw new Error(`unknown argument ${word}`);
  }
  return { fromSeed, seeds, bug, always, models: selected, isTracing, isLarge, isKnownToo };
}

function wholeNumber(name: string, text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${name} wants a whole number`);
  }
  return value;
}

function bugNamed(name: string | undefined): BugName {
  if (name === undefined || !Object.hasOwn(bugs, name)) throw new Error(`no such bug: ${name}`);
  return name as BugName;
}

function faultNamed(name: string | undefined): AlwaysFault {
  if (name === undefined || !Object.hasOwn(alwaysFaults, name)) throw new Error(`no such fault: ${name}`);
  return name as AlwaysFault;
}

function modelNamed(name: string | undefined): Model {
  const match = models.find((model) => model === name);
  if (!match) throw new Error(`no such model: ${name}`);
  return match;
}
