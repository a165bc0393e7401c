/** Groups rows for vector aggregations. */
import type { VectorAggExpr } from '@loki/logql';
import { labelsKey } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { groupLabels } from './rows.ts';
import type { SeriesRow } from './rows.ts';

/** The groups of a vector aggregation, and the group of each row. */
interface Groups {
  /** Per input row. */
  readonly index: Uint32Array;
  /** Labels of each group. */
  readonly labels: readonly SeriesRow['labels'][];
}

export function* groupRows(expr: VectorAggExpr, rows: readonly SeriesRow[]): Work<Groups> {
  const { without = false, labels = [] } = expr.grouping ?? {};
  const names = new Set(labels);
  const index = new Uint32Array(rows.length);
  // Without labels there is one group.
  if (!without && names.size === 0) return { index, labels: rows.length > 0 ? [[]] : [] };
  const groups: SeriesRow['labels'][] = [];
  const byKey = new Map<string, number>();
  for (let i = 0; i < rows.length; i++) {
    if (i % itemsPerSlice === 0) yield;
    const groupedLabels = groupLabels(rows[i].labels, names, without);
    const key = labelsKey(groupedLabels);
    let group = byKey.get(key);
    if (group === undefined) {
      group = groups.push(groupedLabels) - 1;
      byKey.set(key, group);
    }
    index[i] = group;
  }
  return { index, labels: groups };
}
