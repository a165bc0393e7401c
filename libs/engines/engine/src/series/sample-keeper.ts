/** Collects all samples of a leaf, for quantiles and rates of counters. */
import type { SeriesSamples, SeriesState } from '@loki/ports';
import { samplesBytes } from '../common/memory-budget.ts';
import type { MemoryBudget } from '../common/memory-budget.ts';
import { isInTimeOrder, sortByTime } from '../common/time-order.ts';
import type { Accumulator } from './accumulator.ts';

const samplesAtFirst = 1024;
/** Bytes of series, time and value. */
const arrivedBytes = 20;

/** Stores every sample once: quantiles need the values of each window, counters also their order. */
export class SampleKeeper implements Accumulator {
  readonly usesRanks = false;
  readonly #memory: MemoryBudget;
  #count = 0;
  /** Per sample, in order of arrival. */
  #series = new Uint32Array(samplesAtFirst);
  #times = new Float64Array(samplesAtFirst);
  #values = new Float64Array(samplesAtFirst);
  /** The samples by series, built by the first `finish`; those of series i end at `ends[i]`. */
  #bySeries: (SeriesSamples & { readonly ends: Uint32Array }) | undefined;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
    memory.charge(samplesAtFirst * arrivedBytes);
  }

  add(series: number, _bucket: number, time: number, value: number): void {
    if (this.#count === this.#times.length) this.#resize(2 * this.#count);
    const at = this.#count++;
    this.#series[at] = series;
    this.#times[at] = time;
    this.#values[at] = value;
  }

  addMany(): void {
    throw new Error('this operation needs every value');
  }

  finish(series: number): Pick<SeriesState, 'columns' | 'samples'> {
    this.#bySeries ??= this.#gather();
    const { ends } = this.#bySeries;
    const from = series === 0 ? 0 : ends[series - 1];
    const times = this.#bySeries.times.subarray(from, ends[series]);
    const values = this.#bySeries.values.subarray(from, ends[series]);
    if (!isInTimeOrder(times)) {
      // The output of the merge counts as well.
      this.#memory.charge(samplesBytes(times.length));
      sortByTime(times, values);
      this.#memory.release(samplesBytes(times.length));
    }
    return { columns: [], samples: { times, values } };
  }

  /** Sorts the samples by series (stable counting sort) and releases the input. */
  #gather(): SeriesSamples & { readonly ends: Uint32Array } {
    const count = this.#count;
    this.#memory.charge(samplesBytes(count));
    let seriesCount = 0;
    for (let i = 0; i < count; i++) seriesCount = Math.max(seriesCount, this.#series[i] + 1);
    const next = new Uint32Array(seriesCount + 1);
    for (let i = 0; i < count; i++) next[this.#series[i] + 1]++;
    for (let series = 0; series < seriesCount; series++) next[series + 1] += next[series];
    const times = new Float64Array(count);
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const at = next[this.#series[i]]++;
      times[at] = this.#times[i];
      values[at] = this.#values[i];
    }
    this.#count = 0;
    this.#resize(0);
    return { times, values, ends: next.subarray(0, seriesCount) };
  }

  #resize(capacity: number): void {
    const oldCapacity = this.#times.length;
    if (capacity > oldCapacity) this.#memory.charge((capacity - oldCapacity) * arrivedBytes);
    const series = new Uint32Array(capacity);
    const times = new Float64Array(capacity);
    const values = new Float64Array(capacity);
    if (this.#count > 0) {
      series.set(this.#series);
      times.set(this.#times);
      values.set(this.#values);
    }
    this.#series = series;
    this.#times = times;
    this.#values = values;
    if (capacity < oldCapacity) this.#memory.release((oldCapacity - capacity) * arrivedBytes);
  }
}
