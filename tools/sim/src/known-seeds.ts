/** A seed that failed once. */
export interface KnownSeed {
  readonly seed: number;
  /** `fixed` seeds run for ever and must pass; `open` ones wait for whoever owns the cause. */
  readonly state: 'fixed' | 'open';
  readonly story: string;
}

/** Lines `<seed> <fixed|open> <story>`; empty ones and those that begin with # say nothing. */
export function parseKnownSeeds(text: string): KnownSeed[] {
  const known: KnownSeed[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    const match = /^(\d+) (fixed|open) (.+)$/.exec(line);
    if (!match) throw new Error(`seeds.txt:${i + 1}: want <seed> <fixed|open> <story>`);
    known.push({ seed: Number(match[1]), state: match[2] as KnownSeed['state'], story: match[3] });
  });
  return known;
}
