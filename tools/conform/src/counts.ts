/** A process that is silent for this long has a fault. */
const askTimeoutMs = 60_000;

/** Metrics of all processes, summed over the processes and over labels that the caller does not name. */
export class Counts {
  readonly #values: ReadonlyMap<string, number>;

  private constructor(values: ReadonlyMap<string, number>) {
    this.#values = values;
  }

  static async of(urls: readonly string[]): Promise<Counts> {
    const signal = AbortSignal.timeout(askTimeoutMs);
    const texts = await Promise.all(
      urls.map(async (url) => (await fetch(`${url}/metrics`, { signal })).text()),
    );
    return Counts.parse(texts);
  }

  static parse(texts: readonly string[]): Counts {
    const values = new Map<string, number>();
    for (const text of texts) {
      for (const [, series, value] of text.matchAll(/^([a-zA-Z_][^\s{]*(?:\{.*\})?) (\S+)$/gm)) {
        values.set(series, (values.get(series) ?? 0) + Number(value));
      }
    }
    return new Counts(values);
  }

  /** Sum of all series of a name with a label's value. */
  sum(name: string, label = ''): number {
    let sum = 0;
    for (const [series, value] of this.#values) {
      if (nameOf(series) === name && (label === '' || labelsOf(series).includes(label))) sum += value;
    }
    return sum;
  }

  /** Values of a label that series of a name have. */
  labelValues(name: string, label: string): string[] {
    const pattern = new RegExp(`\\b${label}="([^"]*)"`);
    const values = [...this.#values.keys()]
      .filter((series) => nameOf(series) === name)
      .flatMap((series) => pattern.exec(series)?.[1] ?? []);
    return [...new Set(values)].sort();
  }

  /** The increase since `before`. */
  since(before: Counts): Counts {
    return new Counts(
      new Map(
        [...this.#values].map(([series, value]) => [series, value - (before.#values.get(series) ?? 0)]),
      ),
    );
  }
}

function nameOf(series: string): string {
  return series.split('{', 1)[0];
}

function labelsOf(series: string): string[] {
  return [...series.matchAll(/[a-zA-Z_]+="[^"]*"/g)].map(([label]) => label);
}

interface CutCounts {
  /** Queries with a leaf that was cut by time, and the number of stretches. */
  readonly splitQueries: number;
  readonly stretches: number;
  /** Queries with a part that was cut by stream, and the number of parts. */
  readonly shardedQueries: number;
  readonly parts: number;
}

/** Counts of cut queries. */
export function cutsOf(counts: Counts): CutCounts {
  const splits = 'loki_query_frontend_partitions';
  const shards = 'loki_query_frontend_shard_factor';
  return {
    // A query that was not cut counts no stretches.
    splitQueries: counts.sum(`${splits}_count`) - counts.sum(`${splits}_bucket`, 'le="1"'),
    stretches: counts.sum(`${splits}_sum`),
    shardedQueries: counts.sum(`${shards}_count`),
    parts: counts.sum(`${shards}_sum`),
  };
}

interface CacheCounts {
  readonly name: string;
  readonly lookups: number;
  readonly hits: number;
}

/** Lookups and hits of each cache of answers. */
export function cachesOf(counts: Counts): CacheCounts[] {
  return counts
    .labelValues('loki_cache_fetched_keys', 'name')
    .filter((name) => name.startsWith('frontend.'))
    .map((name) => ({
      name,
      lookups: counts.sum('loki_cache_fetched_keys', `name="${name}"`),
      hits: counts.sum('loki_cache_hits', `name="${name}"`),
    }));
}
