import type { LabelReplaceExpr } from '@loki/logql';
import type { LabelPair } from '@loki/model';
import { compileRegex } from '@loki/regex';
import { sortLabels } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import type { Row } from './rows.ts';

/**
 * Sets a label from another one's value where a regex matches all of it. An empty result removes the label.
 * Rows may come out with equal labels: the reference does not mind, nor do we.
 */
export function* replaceLabels(expr: LabelReplaceExpr, rows: readonly Row[]): Work<readonly Row[]> {
  const regex = compileRegex(`^(?:${expr.pattern})$`);
  // Label values repeat over series far more often than not.
  const known = new Map<string, string | undefined>();
  const out: Row[] = [];
  for (const row of rows) {
    if (out.length % itemsPerSlice === 0) yield;
    const source = row.labels.find(([name]) => name === expr.source)?.[1] ?? '';
    if (!known.has(source)) {
      known.set(source, regex.test(source) ? regex.replaceAll(source, expr.replacement) : undefined);
    }
    const value = known.get(source);
    if (value === undefined) {
      out.push(row);
      continue;
    }
    const labels: LabelPair[] = row.labels.filter(([name, old]) => name !== expr.destination && old !== '');
    if (value !== '') labels.push([expr.destination, value]);
    out.push({ ...row, labels: sortLabels(labels) });
  }
  return out;
}
