/** Reads seeds.txt: seeds that once found a bug. */
import { models } from './models.ts';
import type { Model } from './models.ts';

/** A seed that failed once. */
interface KnownSeed {
  readonly model: Model;
  readonly seed: number;
  /** `fixed` seeds stay in the list and must pass; `open` ones wait for their fix. */
  readonly state: 'fixed' | 'open';
  readonly story: string;
}

/** Lines `<model> <seed> <fixed|open> <story>`; empty lines and comments (#) are skipped. */
export function parseKnownSeeds(text: string): KnownSeed[] {
  const seeds: KnownSeed[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    const match = /^(\w+) (\d+) (fixed|open) (.+)$/.exec(line);
    const model = models.find((each) => each === match?.[1]);
    if (!match || !model) throw new Error(`seeds.txt:${i + 1}: want <model> <seed> <fixed|open> <story>`);
    seeds.push({ model, seed: Number(match[2]), state: match[3] as KnownSeed['state'], story: match[4] });
  });
  return seeds;
}
