/** The operation `rate_counter`. */
import type { SeriesSamples } from '@loki/ports';
import type { Work } from '../common/sliced-work.ts';
import type { SampleWindows } from './sample-windows.ts';

/** Windows between two pauses. */
const sliceWindows = 1024;

/** The rate of each window with samples. The cost depends on the resets in each window only. */
export function* counterRates(
  samples: SeriesSamples,
  windows: SampleWindows,
  into: Float64Array,
): Work<void> {
  const { from, endNs, rangeNs } = windows;
  const resets = resetsOf(samples.values);
  for (let k = 0, reset = 0; k < into.length; k++) {
    if (windows.isEmpty(k)) continue;
    while (reset < resets.length && resets[reset] <= from[k]) reset++;
    const window = { from: from[k], to: windows.to[k], startNs: endNs[k] - rangeNs, endNs: endNs[k] };
    into[k] = counterRate(samples, window, resets, reset);
    if (k % sliceWindows === 0) yield;
  }
}

/** Indexes of samples that are below their predecessor: the counter was reset. */
function resetsOf(values: Float64Array): Uint32Array {
  let count = 0;
  for (let i = 1; i < values.length; i++) if (values[i] < values[i - 1]) count++;
  const resets = new Uint32Array(count);
  for (let i = 1, at = 0; at < count; i++) if (values[i] < values[i - 1]) resets[at++] = i;
  return resets;
}

/** Samples [from, to), and start and end of the window in the samples' time. */
interface Window {
  readonly from: number;
  readonly to: number;
  readonly startNs: number;
  readonly endNs: number;
}

/**
 * Per-second increase of a counter, as Prometheus' `rate`: resets count from zero, and the increase is
 * extrapolated to the window's borders, by at most half a sampling interval where samples are missing there.
 *
 * @param resets resets of all samples; the one at `reset` is the first after the window's first sample
 */
function counterRate(
  { times, values }: SeriesSamples,
  { from, to, startNs, endNs }: Window,
  resets: Uint32Array,
  reset: number,
): number {
  const count = to - from;
  if (count < 2) return 0;
  const firstTs = times[from];
  const firstValue = values[from];
  const lastTs = times[to - 1];
  let increase = values[to - 1] - firstValue;
  for (let i = reset; i < resets.length && resets[i] < to; i++) increase += values[resets[i] - 1];
  const sampled = (lastTs - firstTs) / 1e9;
  if (sampled === 0) return 0;
  let toStart = (firstTs - startNs) / 1e9;
  const toEnd = (endNs - lastTs) / 1e9;
  const interval = sampled / (count - 1);
  if (increase > 0 && firstValue >= 0) {
    // A counter is never below zero, so it started at most this long before the first sample.
    toStart = Math.min(toStart, sampled * (firstValue / increase));
  }
  const threshold = interval * 1.1;
  const extrapolated =
    sampled + (toStart < threshold ? toStart : interval / 2) + (toEnd < threshold ? toEnd : interval / 2);
  return (increase * (extrapolated / sampled)) / ((endNs - startNs) / 1e9);
}
