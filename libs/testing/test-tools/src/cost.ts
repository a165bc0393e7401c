/**
 * Compares what works cost, in CPU time of this thread. A limit in seconds fails on a slow machine and passes
 * a fault on a fast one; a ratio of two works that run one after the other holds on both.
 */

/** Makes a work anew for each run of it; only the work itself is measured. */
type Prepare = () => () => unknown;

interface CostBound {
  /** How many times as much as the other work this one may cost. */
  readonly timesMax: number;
  /**
   * The comparison is repeated so often until it holds: other load of the machine adds to a run, never
   * subtracts.
   */
  readonly rounds?: number;
}

/**
 * Shorter work is repeated: otherwise the clock's steps and a garbage collection would dominate the
 * measurement.
 */
const measuredMsMin = 5;
const repeatsMax = 1_000;
const defaultRounds = 5;
/** Room of a linear work: caches are too small for large inputs, and rates of memory differ. */
const linearSlack = 4;

/**
 * Throws when `work` costs more than `timesMax` times as much as `reference` in each of several rounds. Both
 * are measured in turn, at their least of all rounds.
 */
export async function expectCost(
  work: Prepare,
  reference: Prepare,
  { timesMax, rounds = defaultRounds }: CostBound,
): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  let referenceLeast = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    referenceLeast = Math.min(referenceLeast, await costMs(reference));
    least = Math.min(least, await costMs(work));
    if (least <= timesMax * referenceLeast) return;
  }
  throw new Error(
    `costs ${(least / referenceLeast).toFixed(1)} times the reference, ${timesMax} allowed: ` +
      `${least.toFixed(2)} and ${referenceLeast.toFixed(3)} ms of CPU`,
  );
}

/**
 * Throws when the cost of a work grows faster than its size, by far.
 *
 * @param prepare makes the work of a size; its own time is not measured
 * @param timesMax of the cost at `large` to that at `small`; linear growth with some room by default
 */
export async function expectCostGrowth(
  prepare: (size: number) => () => unknown,
  {
    small,
    large,
    timesMax = (linearSlack * large) / small,
    rounds,
  }: { readonly small: number; readonly large: number } & Partial<CostBound>,
): Promise<void> {
  await expectCost(
    () => prepare(large),
    () => prepare(small),
    { timesMax, ...(rounds === undefined ? {} : { rounds }) },
  );
}

/**
 * A work of fixed size, some 2 ms of CPU, for `expectCost`: the bound of a work that has no
 * smaller one to be compared with.
 */
export function unitOfCost(): () => unknown {
  const values = Array.from({ length: 4_000 }, (_, i) => ({
    name: `key ${i}`,
    value: i * 1.5,
    tags: [`${i}`],
  }));
  return () => {
    const texts = JSON.stringify(values).split(',');
    const counts = new Map<string, number>();
    for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
    return counts.size;
  };
}

/** Milliseconds of this thread's CPU that one run of a work takes. */
async function costMs(prepare: Prepare): Promise<number> {
  let totalMs = 0;
  let runs = 0;
  while (totalMs < measuredMsMin && runs < repeatsMax) {
    const work = prepare();
    const before = process.threadCpuUsage();
    await work();
    const { user, system } = process.threadCpuUsage(before);
    totalMs += (user + system) / 1_000;
    runs++;
  }
  return totalMs / runs;
}
