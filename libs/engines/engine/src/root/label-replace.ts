/** The function `label_replace`. */
import type { LabelReplaceExpr } from '@loki/logql';
import type { LabelPair } from '@loki/model';
import { compileRegex } from '@loki/regex';
import type { MemoryBudget } from '../common/memory-budget.ts';
import { sortLabels } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import type { SeriesRow } from './rows.ts';

/** Most characters of a new value, unless the source is longer. */
const valueCharsMax = 1 << 20;
/** Characters read or made between two pauses. */
const charsPerSlice = 1 << 16;

/**
 * Sets a label from the value of another label, if the regex matches all of it. An empty result removes the
 * label. Rows may get equal labels, as in Loki. New values are charged to `memory` until the caller closes
 * it.
 *
 * @throws LokiError badRequest for a value of more than a million characters
 */
export function* replaceLabels(
  expr: LabelReplaceExpr,
  rows: readonly SeriesRow[],
  memory: MemoryBudget,
): Work<readonly SeriesRow[]> {
  const regex = compileRegex(`^(?:${expr.pattern})$`);
  // A character costs up to a step for each instruction, of which small patterns have few.
  const stepsPerChar = Math.ceil(regex.size / smallSize);
  // Label values usually repeat over series.
  const replacements = new Map<string, string | undefined>();
  const out: SeriesRow[] = [];
  let bytes = 0;
  let chars = 0;
  for (const row of rows) {
    if (out.length % itemsPerSlice === 0 || chars >= charsPerSlice) {
      chars = 0;
      yield;
    }
    const source = row.labels.find(([name]) => name === expr.source)?.[1] ?? '';
    if (!replacements.has(source)) {
      const charsMax = Math.max(valueCharsMax, source.length);
      const value = regex.test(source) ? regex.replaceAll(source, expr.replacement, charsMax) : undefined;
      replacements.set(source, value);
      const madeChars = value?.length ?? 0;
      chars += (source.length + madeChars) * stepsPerChar;
      memory.charge(charBytes * madeChars);
      bytes += charBytes * madeChars;
    }
    const value = replacements.get(source);
    if (value === undefined) {
      out.push(row);
      continue;
    }
    const labels: LabelPair[] = row.labels.filter(([name, old]) => name !== expr.destination && old !== '');
    if (value !== '') labels.push([expr.destination, value]);
    out.push({ ...row, labels: sortLabels(labels) });
  }
  // The caller charges the rows with their values.
  memory.release(bytes);
  return out;
}

const charBytes = 2;
const smallSize = 64;
