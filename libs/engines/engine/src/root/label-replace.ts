import type { LabelReplaceExpr } from '@loki/logql';
import type { LabelPair } from '@loki/model';
import { compileRegex } from '@loki/regex';
import type { MemoryBudget } from '../common/memory-budget.ts';
import { sortLabels } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import type { SeriesRow } from './rows.ts';

/** Characters of a value that is made; one that is as long already may stay so. */
const valueCharsMax = 1 << 20;
/** Characters read or made between two pauses. */
const charsPerSlice = 1 << 16;

/**
 * Sets a label from another one's value where a regex matches all of it. An empty result removes the label.
 * Rows may come out with equal labels: the reference does not mind, nor do we. Values are charged to `memory`
 * as they are made, for as long as the caller keeps its budget open.
 *
 * @throws LokiError badRequest for a value of more than a million characters
 */
export function* replaceLabels(
  expr: LabelReplaceExpr,
  rows: readonly SeriesRow[],
  memory: MemoryBudget,
): Work<readonly SeriesRow[]> {
  const regex = compileRegex(`^(?:${expr.pattern})$`);
  // Label values repeat over series far more often than not.
  const known = new Map<string, string | undefined>();
  const out: SeriesRow[] = [];
  let bytes = 0;
  let chars = 0;
  for (const row of rows) {
    if (out.length % itemsPerSlice === 0 || chars >= charsPerSlice) {
      chars = 0;
      yield;
    }
    const source = row.labels.find(([name]) => name === expr.source)?.[1] ?? '';
    if (!known.has(source)) {
      const charsMax = Math.max(valueCharsMax, source.length);
      const value = regex.test(source) ? regex.replaceAll(source, expr.replacement, charsMax) : undefined;
      known.set(source, value);
      const made = value?.length ?? 0;
      chars += source.length + made;
      memory.charge(charBytes * made);
      bytes += charBytes * made;
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
  // From here on the rows are charged for what they hold.
  memory.release(bytes);
  return out;
}

const charBytes = 2;
