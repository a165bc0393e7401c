/** Caches intervals without any row of a log query: step *recall* of a query. */
import type { SegmentRef } from '@loki/catalog';
import { atOnce, ceilTo, isSplittable } from '@loki/engine';
import type { LeafStats, LogLeafRequest } from '@loki/ports';
import { segmentsIn } from './checked-results-cache.ts';
import type { ResultsKey, CheckedResultsCache } from './checked-results-cache.ts';
import type { KeptAnswers } from './kept-results.ts';
import type { Window } from './window.ts';

/** Maximum of intervals of one leaf; a longer range has longer intervals. */
const intervalsMax = 1024n;

/** An interval of a log leaf that may turn out to hold no row. */
interface Interval {
  readonly window: Window;
  readonly key: ResultsKey;
}

/**
 * Caches the time ranges without a row of a log leaf. Lines are not cached, as in Loki: they are large, and
 * repeated searches for a rare text mostly scan ranges without it.
 */
export class EmptyIntervals {
  /** The remaining ranges to read, in order of time, with gaps between them. */
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
    from: KeptAnswers,
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
    // The values have headers only: a value states the absence of rows.
    const answers = atOnce(checked);
    const unknown = lookups.filter((_, i) => answers[i] === undefined);
    return new EmptyIntervals(joined([...unknown.map(({ window }) => window), ...open]), unknown, results);
  }

  /**
   * Caches the intervals in which the scan found no row.
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

/** Leaves out direction and limit: emptiness does not depend on them. */
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

/** Joins windows that touch. */
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
