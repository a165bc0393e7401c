/**
 * Packs a leaf's result for its way between threads. A hundred thousand label lists are as many objects,
 * which the receiving thread would have to deserialize at once: texts travel as bytes and become labels again
 * in slices.
 */
import type { LabelPair } from '@loki/model';
import type {
  LabelSet,
  LeafResult,
  LeafStats,
  LogLeafResult,
  SampleLeafResult,
  SeriesState,
  StreamOrigin,
} from '@loki/ports';
import { labelsBytes } from '../common/memory-budget.ts';
import type { MemoryBudget } from '../common/memory-budget.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { PackedLabelsReader, packLabels } from './packed-labels.ts';
import type { PackedLabels } from './packed-labels.ts';

/**
 * The result of a leaf as a few typed arrays, so that a worker can move it. `unpackLeafResult` restores it in
 * slices.
 */
export type PackedLeafResult = PackedLog | PackedSamples;

interface PackedLog {
  readonly kind: 'log';
  readonly stats: LeafStats;
  readonly labels: PackedLabels;
  readonly origins: readonly StreamOrigin[];
  /** For each label set its origin and its three lists: stream, structured metadata, parsed. */
  readonly sets: Uint32Array;
  readonly rows: Omit<LogLeafResult, 'labelSets' | 'stats'>;
}

interface PackedSamples {
  readonly kind: 'samples';
  readonly steps: number;
  readonly stats: LeafStats;
  readonly labels: PackedLabels;
  readonly columnsPerSeries: number;
  /** True: after its columns each series has samples, times and then values. */
  readonly hasSamples: boolean;
  /** Buffers of the columns and samples. */
  readonly buffers: readonly ArrayBuffer[];
  /** For each column: buffer, byte offset and length. */
  readonly places: Float64Array;
}

const numbersPerSet = 4;
const numbersPerPlace = 3;
const noPairs: readonly LabelPair[] = [];

export function packLeafResult(result: LeafResult): PackedLeafResult {
  return result.kind === 'log' ? packLog(result) : packSamples(result);
}

function packLog({ labelSets, stats, ...rows }: LogLeafResult): PackedLog {
  const lists: (readonly LabelPair[])[] = [];
  const origins: StreamOrigin[] = [];
  const listAt = numbering(lists);
  const originAt = numbering(origins);
  const sets = new Uint32Array(labelSets.length * numbersPerSet);
  labelSets.forEach(({ origin, stream, structuredMetadata, parsed }, i) => {
    const numbers = [originAt(origin), listAt(stream), listAt(structuredMetadata), listAt(parsed)];
    sets.set(numbers, i * numbersPerSet);
  });
  return { kind: 'log', stats, labels: packLabels(lists), origins, sets, rows };
}

/** Returns a function from an object to its index in `items`; new objects are appended. */
function numbering<T extends object>(items: T[]): (item: T) => number {
  const places = new Map<T, number>();
  return (item) => {
    let place = places.get(item);
    if (place === undefined) places.set(item, (place = items.push(item) - 1));
    return place;
  };
}

function packSamples({ series, steps, stats }: SampleLeafResult): PackedSamples {
  const columnsPerSeries = series[0]?.columns.length ?? 0;
  const hasSamples = series[0]?.samples !== undefined;
  const buffers: ArrayBuffer[] = [];
  const bufferAt = numbering(buffers);
  const perSeries = columnsPerSeries + (hasSamples ? 2 : 0);
  const places = new Float64Array(series.length * perSeries * numbersPerPlace);
  let at = 0;
  const place = ({ buffer, byteOffset, length }: Float64Array): void => {
    places[at++] = bufferAt(buffer as ArrayBuffer);
    places[at++] = byteOffset;
    places[at++] = length;
  };
  for (const { columns, samples } of series) {
    columns.forEach(place);
    if (samples) [samples.times, samples.values].forEach(place);
  }
  const labels = packLabels(series.map((each) => each.labels));
  return { kind: 'samples', steps, stats, labels, columnsPerSeries, hasSamples, buffers, places };
}

/** The buffers to move to the other thread. */
export function buffersOf(packed: PackedLeafResult): ArrayBuffer[] {
  const { labels } = packed;
  const views = [...labels.chunks.map(({ bytes }) => bytes), labels.pairCounts, labels.names, labels.lengths];
  const buffers: ArrayBuffer[] = [];
  if (packed.kind === 'log') {
    const { timestampNs, labelSet, lineEnds, lines } = packed.rows;
    views.push(packed.sets, labelSet, lineEnds, lines);
    buffers.push(timestampNs.buffer as ArrayBuffer);
  } else {
    buffers.push(...packed.buffers, packed.places.buffer as ArrayBuffer);
  }
  for (const { buffer } of views) if (buffer instanceof ArrayBuffer) buffers.push(buffer);
  return buffers.filter(({ byteLength }) => byteLength > 0);
}

/**
 * Bytes of the buffers of a packed result, for memory budgets; the labels that unpacking creates are not
 * included. O(buffers).
 */
export function packedBytes(packed: PackedLeafResult): number {
  return buffersOf(packed).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/**
 * Unpacks the result of a leaf, in slices.
 *
 * @param memory is charged with the created labels; `packedBytes` does not include them
 */
export function* unpackLeafResult(packed: PackedLeafResult, memory?: MemoryBudget): Work<LeafResult> {
  return packed.kind === 'log' ? yield* unpackLog(packed, memory) : yield* unpackSamples(packed, memory);
}

function* unpackLog(packed: PackedLog, memory: MemoryBudget | undefined): Work<LogLeafResult> {
  const { stats, labels, origins, sets, rows } = packed;
  const lists = yield* unpackLists(labels, memory);
  const labelSets: LabelSet[] = [];
  for (let at = 0; at < sets.length; at += numbersPerSet) {
    labelSets.push({
      stream: lists[sets[at + 1]],
      structuredMetadata: lists[sets[at + 2]],
      parsed: lists[sets[at + 3]],
      origin: origins[sets[at]],
    });
    if (labelSets.length % itemsPerSlice === 0) yield;
  }
  return { ...rows, labelSets, stats };
}

function* unpackSamples(packed: PackedSamples, memory: MemoryBudget | undefined): Work<SampleLeafResult> {
  const { steps, stats, columnsPerSeries, hasSamples, buffers, places } = packed;
  const lists = yield* unpackLists(packed.labels, memory);
  let at = 0;
  const next = (): Float64Array => {
    const [buffer, byteOffset, length] = [places[at], places[at + 1], places[at + 2]];
    at += numbersPerPlace;
    return new Float64Array(buffers[buffer], byteOffset, length);
  };
  const series: SeriesState[] = [];
  for (const labels of lists) {
    const columns = Array.from({ length: columnsPerSeries }, next);
    series.push(
      hasSamples ? { labels, columns, samples: { times: next(), values: next() } } : { labels, columns },
    );
    if (series.length % itemsPerSlice === 0) yield;
  }
  return { kind: 'samples', steps, series, stats };
}

function* unpackLists(
  labels: PackedLabels,
  memory: MemoryBudget | undefined,
): Work<(readonly LabelPair[])[]> {
  const reader = new PackedLabelsReader(labels);
  const lists: (readonly LabelPair[])[] = [];
  let pairs = 0;
  for (const count of labels.pairCounts) {
    const list = count === 0 ? noPairs : reader.next(count);
    memory?.charge(labelsBytes(list));
    lists.push(list);
    pairs += count + 1;
    if (pairs < itemsPerSlice) continue;
    pairs = 0;
    yield;
  }
  return lists;
}
