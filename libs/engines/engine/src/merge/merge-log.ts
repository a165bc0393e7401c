/** Merges log lines of several results: step *merge* of a query. */
import type { LabelPair } from '@loki/model';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { LabelSet, LogLeafRequest, LogLeafResult } from '@loki/ports';
import { MemoryBudget } from '../common/memory-budget.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { compareStreams } from '../series/stream-pairs.ts';

/**
 * Merges rows of several results in the request's order, up to its limit. Results are given oldest first: of
 * rows with equal time and stream, those of older results come first in forward direction, last in backward
 * direction.
 */
export function* mergeLogResults(
  request: LogLeafRequest,
  results: readonly LogLeafResult[],
): Work<LogLeafResult> {
  const stats = emptyLeafStats();
  for (const result of results) addLeafStats(stats, result.stats);
  if (results.length === 1) return { ...results[0], stats };
  const isForward = request.direction === 'forward';
  const filled = results.filter((result) => result.timestampNs.length > 0);
  const total = filled.reduce((sum, result) => sum + result.timestampNs.length, 0);
  const count = request.limit > 0 ? Math.min(request.limit, total) : total;
  const heads = new Uint32Array(filled.length);
  const precedes = (a: number, b: number): boolean => {
    const leftResult = filled[a];
    const rightResult = filled[b];
    const leftTime = leftResult.timestampNs[heads[a]];
    const rightTime = rightResult.timestampNs[heads[b]];
    if (leftTime !== rightTime) return leftTime < rightTime === isForward;
    const byStream = compareStreams(
      leftResult.labelSets[leftResult.labelSet[heads[a]]],
      rightResult.labelSets[rightResult.labelSet[heads[b]]],
    );
    return byStream !== 0 ? byStream < 0 : a < b === isForward;
  };
  const heap = new SourceHeap(filled.length, precedes);
  const sourceOf = new Uint32Array(count);
  const rowOf = new Uint32Array(count);
  let lineBytes = 0;
  for (let i = 0; i < count; i++) {
    if (i % itemsPerSlice === itemsPerSlice - 1) yield;
    const source = heap.top;
    const row = heads[source]++;
    sourceOf[i] = source;
    rowOf[i] = row;
    lineBytes += lineLength(filled[source], row);
    heap.settleTop(heads[source] < filled[source].timestampNs.length);
  }
  new MemoryBudget(request.memoryBytesMax).charge(lineBytes + count * mergedRowBytes);
  return { ...(yield* copyRows(filled, sourceOf, rowOf, lineBytes)), stats };
}

/** Bytes of a merged row: its origin and its columns. */
const mergedRowBytes = 24;

function lineLength(result: LogLeafResult, row: number): number {
  return result.lineEnds[row] - (row === 0 ? 0 : result.lineEnds[row - 1]);
}

function* copyRows(
  results: readonly LogLeafResult[],
  sourceOf: Uint32Array,
  rowOf: Uint32Array,
  lineBytes: number,
): Work<Omit<LogLeafResult, 'stats'>> {
  const count = sourceOf.length;
  const timestampNs = new BigInt64Array(count);
  const labelSet = new Uint32Array(count);
  const lineEnds = new Uint32Array(count);
  const lines = new Uint8Array(lineBytes);
  const sets = new LabelSetMerger(results);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const result = results[sourceOf[i]];
    const row = rowOf[i];
    timestampNs[i] = result.timestampNs[row];
    labelSet[i] = sets.indexOf(sourceOf[i], result.labelSet[row]);
    const from = row === 0 ? 0 : result.lineEnds[row - 1];
    lines.set(result.lines.subarray(from, result.lineEnds[row]), end);
    end += result.lineEnds[row] - from;
    lineEnds[i] = end;
    if (sets.isSliceDone()) yield;
  }
  return { kind: 'log', labelSets: sets.labelSets, labelSet, timestampNs, lineEnds, lines };
}

/** Characters of label sets between two pauses; a row counts as some characters. */
const charsPerSlice = 1 << 16;
const charsPerRow = 1 << 7;

/** Renumbers the label sets of several results; equal sets get one number. */
class LabelSetMerger {
  readonly labelSets: LabelSet[] = [];
  readonly #results: readonly LogLeafResult[];
  readonly #mergedIndexes: Int32Array[];
  /** Numbers by the stream's text, then by the set's other labels. */
  readonly #origins = new Map<string, Map<string, number>>();
  /** Most sets share the array of their stream's labels. */
  readonly #streamTexts = new Map<readonly LabelPair[], string>();
  /** Cost since the last pause, in characters. */
  #chars = 0;

  constructor(results: readonly LogLeafResult[]) {
    this.#results = results;
    this.#mergedIndexes = results.map((result) => new Int32Array(result.labelSets.length).fill(-1));
  }

  /** Whether it is time for a pause. */
  isSliceDone(): boolean {
    if (this.#chars < charsPerSlice) return false;
    this.#chars = 0;
    return true;
  }

  indexOf(source: number, index: number): number {
    this.#chars += charsPerRow;
    let merged = this.#mergedIndexes[source][index];
    if (merged >= 0) return merged;
    const set = this.#results[source].labelSets[index];
    let sets = this.#origins.get(set.origin.text);
    if (!sets) this.#origins.set(set.origin.text, (sets = new Map()));
    let text = this.#streamTexts.get(set.stream);
    if (text === undefined) this.#streamTexts.set(set.stream, (text = textOf(set.stream)));
    text += textOf(set.structuredMetadata) + textOf(set.parsed);
    this.#chars += text.length;
    merged = sets.get(text) ?? this.labelSets.push(set) - 1;
    sets.set(text, merged);
    this.#mergedIndexes[source][index] = merged;
    return merged;
  }
}

/** A text that is equal exactly for equal labels: each part starts with its length. */
function textOf(pairs: readonly LabelPair[]): string {
  let text = `${pairs.length};`;
  for (const [name, value] of pairs) text += `${name.length},${value.length}:${name}${value}`;
  return text;
}

/** A binary heap of source numbers, best on top. */
class SourceHeap {
  readonly #heap: number[] = [];
  readonly #precedes: (a: number, b: number) => boolean;

  constructor(count: number, precedes: (a: number, b: number) => boolean) {
    this.#precedes = precedes;
    for (let i = 0; i < count; i++) this.#heap.push(i);
    for (let i = (count >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  get top(): number {
    return this.#heap[0];
  }

  /** Restores the heap after the top source has moved to its next row, or has no more rows. */
  settleTop(hasMore: boolean): void {
    if (!hasMore) {
      const last = this.#heap.pop()!;
      if (this.#heap.length === 0) return;
      this.#heap[0] = last;
    }
    this.#sink(0);
  }

  #sink(at: number): void {
    const heap = this.#heap;
    for (;;) {
      let best = at;
      for (const next of [2 * at + 1, 2 * at + 2]) {
        if (next < heap.length && this.#precedes(heap[next], heap[best])) best = next;
      }
      if (best === at) return;
      [heap[at], heap[best]] = [heap[best], heap[at]];
      at = best;
    }
  }
}
