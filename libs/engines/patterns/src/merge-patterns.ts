/** Merges the patterns of several ingesters: the answer of `/patterns`. */
import type { PatternSeries } from '@loki/ports';

/** Merges lists of patterns; the most frequent comes first. Counts of equal texts of one level are added. */
export function mergePatterns(lists: readonly (readonly PatternSeries[])[]): PatternSeries[] {
  const merged = new Map<string, { series: PatternSeries; samples: Map<number, number>; total: number }>();
  for (const series of lists.flat()) {
    const key = `${series.level}\u0000${series.pattern}`;
    let entry = merged.get(key);
    if (!entry) merged.set(key, (entry = { series, samples: new Map(), total: 0 }));
    for (const [time, count] of series.samples) {
      entry.samples.set(time, (entry.samples.get(time) ?? 0) + count);
      entry.total += count;
    }
  }
  return [...merged.values()]
    .sort((a, b) => b.total - a.total)
    .map(({ series, samples }) => ({
      pattern: series.pattern,
      level: series.level,
      samples: [...samples].sort((a, b) => a[0] - b[0]),
    }));
}
