/** Remembers intervals without any row of a log query: step *recall* of a query. */
import type { SegmentRef } from '@loki/catalog';
import { atOnce, ceilTo, isSplittable } from '@loki/engine';
import type { CachePolicy, LeafStats, LogLeafRequest } from '@loki/ports';
import { segmentsIn } from './checked-results-cache.ts';
import type { ResultsKey, CheckedResultsCache } from './checked-results-cache.ts';
import type { Window } from './window.ts';

/** Intervals that one leaf is known by; beyond, they are longer. */
const intervalsMax = 1024n;

/** An interval of a log leaf that may turn out to hold no row. */
interface Interval {
  readonly window: Window;
  readonly key: ResultsKey;
}

/**
 * Time that is known to hold no row of a log leaf. Only that is kept of log queries, as Loki does: a needle
 * is looked for over and over where it is not, and lines are dear to keep.
 */
export class EmptyIntervals {
  /** The rest to read, in order of time, neither touching nor overlapping. */
  readonly windows: readonly Window[];
  readonly #unknown: readonly Interval[];
  readonly #results: CheckedResultsCache;

  private constructor(
    windows: readonly Window[],
    unknown: readonly Interval[],
    results: CheckedResultsCache,
  ) {
    this.windows = windows;
    this.#unknown = unknown;
    this.#results = results;
  }

  static async lookUp(
    request: LogLeafRequest,
    segments: readonly SegmentRef[],
    from: {
      readonly results: CheckedResultsCache;
      readonly policy: CachePolicy;
      readonly generation: number;
    },
    stats: LeafStats,
  ): Promise<EmptyIntervals> {
    const { startNs, endNs } = request;
    const { results, policy } = from;
    if (!isSplittable(request.expr)) return new EmptyIntervals([{ startNs, endNs }], [], results);
    const lookups: Interval[] = [];
    const open: Window[] = [];
    for (const window of intervals({ startNs, endNs }, policy.splitNs)) {
      const inWindow = segmentsIn(segments, window);
      if (inWindow.length === 0) continue;
      if (window.endNs > policy.newestNs) open.push(window);
      else lookups.push({ window, key: keyOf(request, window, inWindow, from.generation) });
    }
    const checked = await results.get(
      lookups.map(({ key }) => key),
      stats,
    );
    // Headers alone: that rows are absent is all they say.
    const answers = atOnce(checked);
    const unknown = lookups.filter((_, i) => answers[i] === undefined);
    return new EmptyIntervals(joined([...unknown.map(({ window }) => window), ...open]), unknown, results);
  }

  /**
   * Keeps what was found to be empty.
   *
   * @param read everything in it was read, and stored rows in it are all in `rows`
   */
  learn(rows: readonly BigInt64Array[], read: Window, stats: LeafStats): void {
    const times = rows.flatMap((each) => [...each]);
    const empty = this.#unknown.filter(
      ({ window }) =>
        window.startNs >= read.startNs &&
        window.endNs <= read.endNs &&
        !times.some((ts) => ts >= window.startNs && ts < window.endNs),
    );
    const entries = empty.map(({ key }) => ({ key, answer: new Uint8Array() }));
    atOnce(this.#results.put(entries, stats));
  }
}

/** Direction and limit make no difference to what is empty. */
function keyOf(
  { tenant, expr, shard, deletes }: LogLeafRequest,
  window: Window,
  segments: readonly SegmentRef[],
  generation: number,
): ResultsKey {
  const question = ['no rows', expr, shard ? `${shard.index}/${shard.of}` : ''];
  return { tenant, question, window, segments, deletes, generation };
}

function* intervals({ startNs, endNs }: Window, splitNs: bigint): Generator<Window> {
  let interval = splitNs > 0n ? splitNs : endNs - startNs;
  while (interval > 0n && (endNs - startNs) / interval > intervalsMax) interval *= 2n;
  for (let fromNs = startNs; fromNs < endNs;) {
    const borderNs = ceilTo(fromNs + 1n, interval);
    const toNs = borderNs < endNs ? borderNs : endNs;
    yield { startNs: fromNs, endNs: toNs };
    fromNs = toNs;
  }
}

/** Windows that touch as one. */
function joined(windows: readonly Window[]): Window[] {
  const sorted = windows.toSorted((a, b) => (a.startNs < b.startNs ? -1 : 1));
  const out: Window[] = [];
  for (const window of sorted) {
    const last = out.at(-1);
    if (last && last.endNs >= window.startNs) {
      out[out.length - 1] = { startNs: last.startNs, endNs: window.endNs };
    } else out.push(window);
  }
  return out;
}
