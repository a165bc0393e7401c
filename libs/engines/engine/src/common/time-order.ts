import type { SeriesSamples } from '@loki/ports';

/**
 * Samples in order of time: what several streams, segments or splits gave for one series comes as runs in
 * order.
 */

export function isInTimeOrder(times: Float64Array): boolean {
  for (let i = 1; i < times.length; i++) if (times[i] < times[i - 1]) return false;
  return true;
}

/**
 * Sorts samples by time in place, stably: those of equal times stay as they came. Merges the runs that are in
 * order already: O(samples × log runs), and as much memory again.
 */
export function sortByTime(times: Float64Array, values: Float64Array): void {
  let starts = runsOf(times);
  if (starts.length === 1) return;
  let from: SeriesSamples = { times, values };
  let to: SeriesSamples = {
    times: new Float64Array(times.length),
    values: new Float64Array(times.length),
  };
  while (starts.length > 1) {
    const merged: number[] = [];
    for (let run = 0; run < starts.length; run += 2) {
      const start = starts[run];
      const middle = starts[run + 1] ?? times.length;
      const end = starts[run + 2] ?? times.length;
      mergeRuns(from, to, start, middle, end);
      merged.push(start);
    }
    starts = merged;
    [from, to] = [to, from];
  }
  if (from.times === times) return;
  times.set(from.times);
  values.set(from.values);
}

/** Index of the first sample later than `time`. */
export function firstAfter(times: Float64Array, time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Where runs in order of time begin. */
function runsOf(times: Float64Array): number[] {
  const starts = [0];
  for (let i = 1; i < times.length; i++) if (times[i] < times[i - 1]) starts.push(i);
  return starts;
}

/** Merges start..middle and middle..end; of equal times the former comes first. */
function mergeRuns(
  { times, values }: SeriesSamples,
  to: SeriesSamples,
  start: number,
  middle: number,
  end: number,
): void {
  let a = start;
  let b = middle;
  for (let at = start; at < end; at++) {
    const next = a < middle && (b >= end || times[a] <= times[b]) ? a++ : b++;
    to.times[at] = times[next];
    to.values[at] = values[next];
  }
}
