/** Arguments of the program: seed, number of queries, odds of each judge. */
export interface FuzzArgs {
  readonly seed: number;
  readonly count: number;
  readonly perData: number;
  /** Infinity: all. */
  readonly ways: number;
  readonly oracleOdds: number;
  readonly lawOdds: number;
  readonly refereeOdds: number;
  readonly isShrinking: boolean;
  /** Print every query with the beginning of its answer. */
  readonly isShowing: boolean;
}

export const usage = `npm run fuzz:queries -- [--seed S] [--count N] [--ways W] [--per-data M] [--oracle P] [--laws P] [--no-shrink] [--show]

  --seed S       the first data set (default 1); the next ones follow
  --count N      so many queries (default 2000)
  --per-data M   so many of each data set (default 150)
  --ways W       each asked in so many ways besides the plain one (default 8: each route from some layout), or "all" of the 47
  --oracle P     so many percent asked of the row-at-a-time oracle too (default 10)
  --laws P       so many percent held against laws of the language (default 15)
  --referee P    so many percent judged by the referee (default 30)
  --no-shrink    findings as they come
  --show         prints every query
`;

/** A mistake on the command line is an Error with the reason. */
export function parseArgs(args: readonly string[]): FuzzArgs {
  const numbers = new Map([['--seed', 1], ['--count', 2000], ['--per-data', 150], ['--ways', 8], ['--oracle', 10], ['--laws', 15], ['--referee', 30]]); // prettier-ignore
  let isShowing = false;
  let isShrinking = true;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--show') isShowing = true;
    else if (args[i] === '--no-shrink') isShrinking = false;
    else if (args[i] === '--ways' && args[i + 1] === 'all') numbers.set(args[i++], Infinity);
    else if (numbers.has(args[i])) numbers.set(args[i], wholeNumber(args[i], args[++i]));
    else throw new Error(`unknown argument ${args[i]}`);
  }
  const [seed, count, perData, ways, oracle, laws, referee] = numbers.values();
  return {
    seed,
    count,
    perData,
    ways,
    oracleOdds: oracle / 100,
    lawOdds: laws / 100,
    refereeOdds: referee / 100,
    isShrinking,
    isShowing,
  };
}

function wholeNumber(name: string, text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${name} wants a whole number`);
  }
  return value;
}
