/** Samples in order of time: step *merge* of a query. */
import type { SeriesSamples } from '@loki/ports';

/**
 * Whether samples are in order of time. Samples of one series from several streams, segments or splits are
 * stretches that are each in order.
 */

export function isInTimeOrder(times: Float64Array): boolean {
  for (let i = 1; i < times.length; i++) if (times[i] < times[i - 1]) return false;
  return true;
}

/**
 * Sorts samples by time in place, stably. It merges the stretches that are already in order: O(samples × log
 * stretches), with a copy of the samples.
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

/** Starts of the stretches that are in order of time. */
function runsOf(times: Float64Array): number[] {
  const starts = [0];
  for (let i = 1; i < times.length; i++) if (times[i] < times[i - 1]) starts.push(i);
  return starts;
}

/** Merges [start, middle) and [middle, end); of equal times those of the first part come first. */
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
