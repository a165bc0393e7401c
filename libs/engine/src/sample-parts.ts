import type { LeafStats, SampleLeafRequest, SampleLeafResult, SeriesState } from '@loki/ports';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import { labelsBytes, MemoryBudget } from './memory-budget.ts';
import { embedSampleResult, leafOperation, mergeSampleResults, stepCount } from './root-merge.ts';
import { labelsKey, tooManySeries } from './root-rows.ts';

/** A part of a leaf's steps with what it found. */
export interface SamplePart {
  readonly request: SampleLeafRequest;
  readonly result: SampleLeafResult;
}

/**
 * Puts the results of parts that have no step in common in their places among all steps. O(cells of the whole).
 *
 * @param parts in order of time; their steps are steps of the whole
 * @throws LokiError when there are more than request.seriesMax series
 */
export function joinSampleParts(request: SampleLeafRequest, parts: readonly SamplePart[]): SampleLeafResult {
  const steps = stepCount(request);
  if (parts.length === 1) return embedSampleResult(request, parts[0].request, parts[0].result);
  const stats: LeafStats = emptyLeafStats();
  const places = new Map<string, Place[]>();
  for (const { request: part, result } of parts) {
    addLeafStats(stats, result.stats);
    const first = Number((part.startNs - request.startNs) / request.stepNs);
    const shiftNs = Number(part.startNs - request.startNs);
    for (const state of result.series) {
      const key = labelsKey(state.labels);
      const known = places.get(key);
      if (known) known.push({ state, first, shiftNs });
      else places.set(key, [{ state, first, shiftNs }]);
      if (request.seriesMax > 0 && places.size > request.seriesMax) throw tooManySeries(request.seriesMax);
    }
  }
  const times = timesOf(request);
  const memory = new MemoryBudget(request.memoryBytesMax);
  const series = [...places.values()].map((of) => {
    const [{ state }] = of;
    memory.charge(labelsBytes(state.labels) + state.columns.length * steps * 8);
    for (const { state: part } of of) memory.charge(part.values?.values.byteLength ?? 0);
    return joinStates(of, steps, times);
  });
  return { kind: 'samples', steps, series, stats };
}

/** The part of a result that some of its steps are. Series without a sample there are left out. */
export function cutSampleResult(
  request: SampleLeafRequest,
  part: SampleLeafRequest,
  result: SampleLeafResult,
): SampleLeafResult {
  const first = request.stepNs <= 0n ? 0 : Number((part.startNs - request.startNs) / request.stepNs);
  const shiftNs = Number(part.startNs - request.startNs);
  const steps = stepCount(part);
  const times = timesOf(request);
  const series: SeriesState[] = [];
  for (const { labels, columns, values } of result.series) {
    if (!columns[0].subarray(first, first + steps).some((count) => count > 0)) continue;
    const cut = columns.map((column, index) => {
      const out = column.slice(first, first + steps);
      if (times === 'column' && index === 1) for (let k = 0; k < steps; k++) out[k] -= shiftNs;
      return out;
    });
    if (!values) {
      series.push({ labels, columns: cut });
      continue;
    }
    const from = first === 0 ? 0 : values.ends[first - 1];
    const ends = values.ends.slice(first, first + steps).map((end) => end - from);
    const kept = values.values.slice(from, from + (ends.at(-1) ?? 0));
    if (times === 'pairs') for (let i = 0; i < kept.length; i += 2) kept[i] -= shiftNs;
    series.push({ labels, columns: cut, values: { ends, values: kept } });
  }
  return { kind: 'samples', steps, series, stats: emptyLeafStats() };
}

/**
 * The result of a leaf of one step from those of the windows that it was split into, in order of time. A part of several
 * steps is as many windows.
 */
export function mergeRangeParts(request: SampleLeafRequest, parts: readonly SamplePart[]): SampleLeafResult {
  const stats = emptyLeafStats();
  const windows = parts.flatMap((part) => {
    addLeafStats(stats, part.result.stats);
    const steps = stepCount(part.request);
    if (steps === 1) return [embedSampleResult(request, part.request, part.result)];
    return Array.from({ length: steps }, (_, k) => {
      const startNs = part.request.startNs + BigInt(k) * part.request.stepNs;
      const single = { ...part.request, startNs, endNs: startNs };
      return embedSampleResult(request, single, cutSampleResult(part.request, single, part.result));
    });
  });
  return { ...mergeSampleResults(request, windows), stats };
}

interface Place {
  readonly state: SeriesState;
  readonly first: number;
  readonly shiftNs: number;
}

/** Where states hold times, which are relative to their request's start. */
type Times = 'none' | 'column' | 'pairs';

function timesOf(request: SampleLeafRequest): Times {
  const op = leafOperation(request);
  if (op === 'first_over_time' || op === 'last_over_time') return 'column';
  return op === 'rate_counter' ? 'pairs' : 'none';
}

function joinStates(places: readonly Place[], steps: number, times: Times): SeriesState {
  const { labels, columns: shape, values } = places[0].state;
  const columns = shape.map(() => new Float64Array(steps));
  for (const { state, first, shiftNs } of places) {
    state.columns.forEach((column, index) => {
      columns[index].set(column, first);
      if (times !== 'column' || index !== 1) return;
      for (let k = 0; k < column.length; k++) columns[1][first + k] += shiftNs;
    });
  }
  return values ? { labels, columns, values: joinValues(places, steps, times) } : { labels, columns };
}

function joinValues(places: readonly Place[], steps: number, times: Times): SeriesState['values'] {
  const total = places.reduce((sum, { state }) => sum + state.values!.values.length, 0);
  const values = new Float64Array(total);
  const ends = new Uint32Array(steps);
  let end = 0;
  let step = 0;
  for (const { state, first, shiftNs } of places) {
    const from = state.values!;
    ends.fill(end, step, first);
    values.set(from.values, end);
    if (times === 'pairs') for (let i = 0; i < from.values.length; i += 2) values[end + i] += shiftNs;
    for (let k = 0; k < from.ends.length; k++) ends[first + k] = end + from.ends[k];
    end += from.values.length;
    step = first + from.ends.length;
  }
  ends.fill(end, step);
  return { ends, values };
}
