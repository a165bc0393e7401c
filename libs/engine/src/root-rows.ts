import { compareText, LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { ColumnSlabs } from './column-slabs.ts';
import { labelsBytes } from './memory-budget.ts';
import { itemsPerSlice, type Work } from './root-work.ts';

/** One series while the root computes: value k is meaningful where present[k] is 1. */
export interface Row {
  /** Sorted by name, no name twice. Parsed labels may be empty, until something groups, matches or replaces. */
  readonly labels: readonly LabelPair[];
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/** What an expression is worth: one number for all steps, or rows. Rows are never changed once made. */
export type Value =
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'rows'; readonly rows: readonly Row[] };

/** The steps a query is computed at: startNs, startNs + stepNs …, `steps` of them. */
export interface Grid {
  readonly startNs: bigint;
  readonly stepNs: bigint;
  readonly steps: number;
}

export function newRow(labels: readonly LabelPair[], steps: number): Row {
  return { labels, values: new Float64Array(steps), present: new Uint8Array(steps) };
}

/** Makes rows of an operation's many results, as parts of large buffers. */
export class RowMaker {
  readonly #steps: number;
  readonly #slabs = new ColumnSlabs();

  constructor(steps: number) {
    this.#steps = steps;
  }

  /** Without a sample yet. */
  row(labels: readonly LabelPair[]): Row {
    return { labels, values: this.floats(), present: this.flags() };
  }

  floats(): Float64Array {
    return this.#slabs.floats(this.#steps);
  }

  flags(): Uint8Array {
    return this.#slabs.bytes(this.#steps);
  }
}

/** What a row holds: its labels, a value and a flag for each step. */
export function rowBytes({ labels, values, present }: Row): number {
  return labelsBytes(labels) + values.byteLength + present.byteLength;
}

/** A row without labels that has the same value at each step. */
export function constantRow(value: number, steps: number): Row {
  return { labels: [], values: new Float64Array(steps).fill(value), present: new Uint8Array(steps).fill(1) };
}

export function rowsOf(value: Value, steps: number): readonly Row[] {
  return value.kind === 'rows' ? value.rows : [constantRow(value.value, steps)];
}

/** A text that equal label lists share, and no others. */
export function labelsKey(labels: readonly LabelPair[]): string {
  let key = '';
  for (const [name, value] of labels) key += `${name.length}:${name}${value.length}:${value}`;
  return key;
}

/** Order of result series: label by label, name before value; the shorter of two equal beginnings first. */
export function compareLabels(a: readonly LabelPair[], b: readonly LabelPair[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareText(a[i][0], b[i][0]) || compareText(a[i][1], b[i][1]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Order of rows in a result. */
export const byLabels = (a: Row, b: Row): number => compareLabels(a.labels, b.labels);

export function sortLabels(labels: readonly LabelPair[]): readonly LabelPair[] {
  for (let i = 1; i < labels.length; i++) {
    if (compareText(labels[i - 1][0], labels[i][0]) > 0) {
      return [...labels].sort((a, b) => compareText(a[0], b[0]));
    }
  }
  return labels;
}

/** The labels that grouping by (or without) `names` leaves; an empty one is none. */
export function groupLabels(
  labels: readonly LabelPair[],
  names: ReadonlySet<string>,
  without: boolean,
): readonly LabelPair[] {
  return labels.filter(([name, value]) => names.has(name) !== without && value !== '');
}

export function hasSample(row: Row): boolean {
  return row.present.includes(1);
}

export function tooManySeries(seriesMax: number): LokiError {
  return new LokiError(
    'badRequest',
    `maximum number of series (${seriesMax}) reached for a single query; consider reducing query cardinality by ` +
      'adding more specific stream selectors, reducing the time range, or aggregating results with functions like ' +
      'sum(), count() or topk()',
  );
}

/**
 * Rows with equal labels become one where they have no step in common; others stay apart (label_replace may make
 * them, and nothing says which sample is right).
 *
 * @param rows sorted by labels
 */
export function* joinRows(rows: readonly Row[]): Work<readonly Row[]> {
  const joined: Row[] = [];
  // Rows from here on have the labels of the row at hand.
  let first = 0;
  for (let i = 0, looks = 0; i < rows.length; i++) {
    const row = rows[i];
    if (i > 0 && compareLabels(rows[i - 1].labels, row.labels) !== 0) first = joined.length;
    let at = first;
    // At one step there is nothing to join: all have a sample there.
    if (row.present.length === 1) at = joined.length;
    for (; at < joined.length && overlaps(joined[at], row); at++) if (++looks % itemsPerSlice === 0) yield;
    if (at === joined.length) joined.push(row);
    else joined[at] = union(joined[at], row);
  }
  return joined;
}

function overlaps(a: Row, b: Row): boolean {
  for (let k = 0; k < a.present.length; k++) if (a.present[k] & b.present[k]) return true;
  return false;
}

function union(a: Row, b: Row): Row {
  const values = Float64Array.from(a.values);
  const present = Uint8Array.from(a.present);
  for (let k = 0; k < values.length; k++) {
    if (b.present[k] === 0) continue;
    values[k] = b.values[k];
    present[k] = 1;
  }
  return { labels: a.labels, values, present };
}
