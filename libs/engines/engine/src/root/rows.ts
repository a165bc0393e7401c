/** Series as rows of values while the root computes. */
import type { LabelPair } from '@loki/model';
import { labelsBytes } from '../common/memory-budget.ts';
import { compareLabels } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { ColumnSlabs } from '../series/column-slabs.ts';

/** One series of an intermediate result: value k is valid if present[k] is 1. */
export interface SeriesRow {
  /**
   * Sorted by name, no name twice. Parsed labels may be empty, until an operation groups, matches or replaces
   * labels.
   */
  readonly labels: readonly LabelPair[];
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/** The value of an expression: one number for all steps, or rows. Rows are immutable. */
export type MetricValue =
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'rows'; readonly rows: readonly SeriesRow[] };

export function newRow(labels: readonly LabelPair[], steps: number): SeriesRow {
  return { labels, values: new Float64Array(steps), present: new Uint8Array(steps) };
}

/** Allocates the rows of an operation's results as parts of large buffers. */
export class RowMaker {
  readonly #steps: number;
  readonly #slabs = new ColumnSlabs();

  constructor(steps: number) {
    this.#steps = steps;
  }

  /** A row without samples. */
  row(labels: readonly LabelPair[]): SeriesRow {
    return { labels, values: this.floats(), present: this.flags() };
  }

  floats(): Float64Array {
    return this.#slabs.floats(this.#steps);
  }

  flags(): Uint8Array {
    return this.#slabs.bytes(this.#steps);
  }
}

/** Bytes of a row: its labels, a value and a flag for each step. */
export function rowBytes({ labels, values, present }: SeriesRow): number {
  return labelsBytes(labels) + values.byteLength + present.byteLength;
}

/** A row without labels that has the same value at each step. */
export function constantRow(value: number, steps: number): SeriesRow {
  return { labels: [], values: new Float64Array(steps).fill(value), present: new Uint8Array(steps).fill(1) };
}

export function rowsOf(value: MetricValue, steps: number): readonly SeriesRow[] {
  return value.kind === 'rows' ? value.rows : [constantRow(value.value, steps)];
}

/** Order of rows in a result. */
export const byLabels = (a: SeriesRow, b: SeriesRow): number => compareLabels(a.labels, b.labels);

/** The labels of a row after grouping by (or without) `names`; empty labels are dropped. */
export function groupLabels(
  labels: readonly LabelPair[],
  names: ReadonlySet<string>,
  without: boolean,
): readonly LabelPair[] {
  return labels.filter(([name, value]) => names.has(name) !== without && value !== '');
}

export function hasSample(row: SeriesRow): boolean {
  return row.present.includes(1);
}

/**
 * Joins rows with equal labels and no common step. Other rows with equal labels stay separate: label_replace
 * may create them, and neither sample is wrong.
 *
 * @param rows sorted by labels
 */
export function* joinRows(rows: readonly SeriesRow[]): Work<readonly SeriesRow[]> {
  const results: SeriesRow[] = [];
  // Rows from here on have the labels of the current row.
  let first = 0;
  for (let i = 0, looks = 0; i < rows.length; i++) {
    const row = rows[i];
    if (i > 0 && compareLabels(rows[i - 1].labels, row.labels) !== 0) first = results.length;
    let at = first;
    // With a single step nothing can be joined: all rows have a sample there.
    if (row.present.length === 1) at = results.length;
    for (; at < results.length && overlaps(results[at], row); at++) if (++looks % itemsPerSlice === 0) yield;
    if (at === results.length) results.push(row);
    else results[at] = union(results[at], row);
  }
  return results;
}

function overlaps(a: SeriesRow, b: SeriesRow): boolean {
  for (let k = 0; k < a.present.length; k++) if (a.present[k] & b.present[k]) return true;
  return false;
}

function union(a: SeriesRow, b: SeriesRow): SeriesRow {
  const values = Float64Array.from(a.values);
  const present = Uint8Array.from(a.present);
  for (let k = 0; k < values.length; k++) {
    if (b.present[k] === 0) continue;
    values[k] = b.values[k];
    present[k] = 1;
  }
  return { labels: a.labels, values, present };
}
