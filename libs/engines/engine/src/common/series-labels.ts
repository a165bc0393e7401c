/** Labels of result series: their order, their keys, and the error when there are too many. */
import { compareText, LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';

/** A text that is equal exactly for equal label lists. */
export function labelsKey(labels: readonly LabelPair[]): string {
  let key = '';
  for (const [name, value] of labels) key += `${name.length}:${name}${value.length}:${value}`;
  return key;
}

/** Order of result series: label by label, name before value; a prefix comes first. */
export function compareLabels(a: readonly LabelPair[], b: readonly LabelPair[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareText(a[i][0], b[i][0]) || compareText(a[i][1], b[i][1]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

export function sortLabels(labels: readonly LabelPair[]): readonly LabelPair[] {
  for (let i = 1; i < labels.length; i++) {
    if (compareText(labels[i - 1][0], labels[i][0]) > 0) {
      return [...labels].sort((a, b) => compareText(a[0], b[0]));
    }
  }
  return labels;
}

/** The error 400 of a query with more than `max_query_series` series, in Loki's words. */
export function tooManySeries(seriesMax: number): LokiError {
  return new LokiError(
    'badRequest',
    `maximum number of series (${seriesMax}) reached for a single query; consider reducing query cardinality by ` +
      'adding more specific stream selectors, reducing the time range, or aggregating results with functions like ' +
      'sum(), count() or topk()',
  );
}
