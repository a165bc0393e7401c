/** Joins and cuts results of sample leaves by time: steps *cut*, *recall* and *merge* of a query. */
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { LeafStats, SampleLeafRequest, SampleLeafResult, SeriesSamples, SeriesState } from '@loki/ports';
import { labelsBytes, MemoryBudget, samplesBytes } from '../common/memory-budget.ts';
import { labelsKey, tooManySeries } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { firstAfter } from '../common/time-order.ts';
import {
  embedSampleResult,
  leafOperation,
  leafRange,
  mergeSampleResults,
  stepCount,
} from './merge-samples.ts';

/** A part of a leaf's steps with its result. */
export interface SamplePart {
  readonly request: SampleLeafRequest;
  readonly result: SampleLeafResult;
}

/**
 * Joins the results of parts without common steps into one result for all steps. Windows of neighbouring
 * parts may overlap: a sample in several parts is taken from the first one. O(cells and samples of the
 * whole).
 *
 * @param parts in order of time; their steps are steps of the whole
 * @throws LokiError when there are more than request.seriesMax series
 */
export function* joinSampleParts(
  request: SampleLeafRequest,
  parts: readonly SamplePart[],
): Work<SampleLeafResult> {
  const steps = stepCount(request);
  if (parts.length === 1) return yield* embedSampleResult(request, parts[0].request, parts[0].result);
  const stats: LeafStats = emptyLeafStats();
  const places = new Map<string, Place[]>();
  let afterNs = -Infinity;
  let iterations = 0;
  for (const { request: part, result } of parts) {
    addLeafStats(stats, result.stats);
    const first = Number((part.startNs - request.startNs) / request.stepNs);
    const shiftNs = Number(part.startNs - request.startNs);
    for (const state of result.series) {
      if (++iterations % itemsPerSlice === 0) yield;
      const place = { state, first, shiftNs, afterNs };
      const key = labelsKey(state.labels);
      const equalPlaces = places.get(key);
      if (equalPlaces) equalPlaces.push(place);
      else places.set(key, [place]);
      if (request.seriesMax > 0 && places.size > request.seriesMax) throw tooManySeries(request.seriesMax);
    }
    afterNs = shiftNs + windowsOf(part).lastEndNs;
  }
  const hasTimes = hasTimeColumn(request);
  const memory = new MemoryBudget(request.memoryBytesMax);
  const series: SeriesState[] = [];
  for (const of of places.values()) {
    if ((series.length * steps) % itemsPerSlice < steps) yield;
    const [{ state }] = of;
    memory.charge(labelsBytes(state.labels) + state.columns.length * steps * 8);
    for (const { state: part } of of) memory.charge(samplesBytes(part.samples?.times.length ?? 0));
    series.push(joinStates(of, steps, hasTimes));
  }
  return { kind: 'samples', steps, series, stats };
}

/** Cuts a result to some of its steps. Series without a sample there are left out. */
export function* cutSampleResult(
  request: SampleLeafRequest,
  part: SampleLeafRequest,
  result: SampleLeafResult,
): Work<SampleLeafResult> {
  const first = request.stepNs <= 0n ? 0 : Number((part.startNs - request.startNs) / request.stepNs);
  const shiftNs = Number(part.startNs - request.startNs);
  const steps = stepCount(part);
  const hasTimes = hasTimeColumn(request);
  const { firstStartNs, lastEndNs } = windowsOf(part);
  const series: SeriesState[] = [];
  let iterations = 0;
  for (const { labels, columns, samples } of result.series) {
    if (++iterations % itemsPerSlice === 0) yield;
    if (samples) {
      const from = firstAfter(samples.times, shiftNs + firstStartNs);
      const to = firstAfter(samples.times, shiftNs + lastEndNs);
      if (from === to) continue;
      const times = samples.times.subarray(from, to).map((time) => time - shiftNs);
      series.push({ labels, columns, samples: { times, values: samples.values.slice(from, to) } });
      continue;
    }
    if (!columns[0].subarray(first, first + steps).some((count) => count > 0)) continue;
    const cut = columns.map((column, index) => {
      const out = column.slice(first, first + steps);
      if (hasTimes && index === 1) for (let k = 0; k < steps; k++) out[k] -= shiftNs;
      return out;
    });
    series.push({ labels, columns: cut });
  }
  return { kind: 'samples', steps, series, stats: emptyLeafStats() };
}

/**
 * Merges the results of the windows into which a leaf of one step was split, in order of time. A part with
 * several steps has one window for each.
 */
export function* mergeRangeParts(
  request: SampleLeafRequest,
  parts: readonly SamplePart[],
): Work<SampleLeafResult> {
  const stats = emptyLeafStats();
  const windows: SampleLeafResult[] = [];
  for (const part of parts) {
    addLeafStats(stats, part.result.stats);
    const steps = stepCount(part.request);
    for (let k = 0; k < steps; k++) {
      const startNs = part.request.startNs + BigInt(k) * part.request.stepNs;
      const single = steps === 1 ? part.request : { ...part.request, startNs, endNs: startNs };
      const result = steps === 1 ? part.result : yield* cutSampleResult(part.request, single, part.result);
      windows.push(yield* embedSampleResult(request, single, result));
    }
  }
  return { ...(yield* mergeSampleResults(request, windows)), stats };
}

interface Place {
  readonly state: SeriesState;
  readonly first: number;
  readonly shiftNs: number;
  /** Samples up to this time are in windows of earlier parts; nanoseconds from the start of the whole. */
  readonly afterNs: number;
}

/** Whether the states have a column of times, which are relative to the request's start. */
function hasTimeColumn(request: SampleLeafRequest): boolean {
  const op = leafOperation(request);
  return op === 'first_over_time' || op === 'last_over_time';
}

/** The bounds of all windows of a leaf, (firstStart, lastEnd]; nanoseconds from its start. */
function windowsOf(request: SampleLeafRequest): {
  readonly firstStartNs: number;
  readonly lastEndNs: number;
} {
  const { rangeNs, offsetNs } = leafRange(request);
  const lastNs = BigInt(stepCount(request) - 1) * request.stepNs;
  return { firstStartNs: Number(-offsetNs - rangeNs), lastEndNs: Number(lastNs - offsetNs) };
}

function joinStates(places: readonly Place[], steps: number, hasTimes: boolean): SeriesState {
  const { labels, columns: shape, samples } = places[0].state;
  if (samples) return { labels, columns: shape, samples: joinSamples(places) };
  const columns = shape.map(() => new Float64Array(steps));
  for (const { state, first, shiftNs } of places) {
    state.columns.forEach((column, index) => {
      columns[index].set(column, first);
      if (!hasTimes || index !== 1) return;
      for (let k = 0; k < column.length; k++) columns[1][first + k] += shiftNs;
    });
  }
  return { labels, columns };
}

function joinSamples(places: readonly Place[]): SeriesSamples {
  const parts = places.flatMap(({ state: { samples }, shiftNs, afterNs }) => {
    if (!samples) return [];
    return [{ ...samples, shiftNs, from: firstAfter(samples.times, afterNs - shiftNs) }];
  });
  const count = parts.reduce((sum, { values, from }) => sum + values.length - from, 0);
  const times = new Float64Array(count);
  const values = new Float64Array(count);
  let at = 0;
  for (const part of parts) {
    values.set(part.values.subarray(part.from), at);
    for (let i = part.from; i < part.times.length; i++) times[at++] = part.times[i] + part.shiftNs;
  }
  return { times, values };
}
