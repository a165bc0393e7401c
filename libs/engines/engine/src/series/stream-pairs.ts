/** Labels of a result's streams as pairs: base labels, parsed ones, and their order. */
import { compareText } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { LabelSet } from '@loki/ports';
import { errorDetailsLabel, errorLabel } from '../common/error-labels.ts';
import { sortedByName } from '../common/sorted-pairs.ts';
import type { BaseLabels } from '../pipeline/base-labels.ts';
import type { Row } from '../pipeline/row.ts';

const noPairs: readonly LabelPair[] = [];

/** Order of rows with equal timestamps from different streams: by hash, then by text. */
export function compareStreams(a: LabelSet, b: LabelSet): number {
  const { origin } = a;
  const { origin: other } = b;
  if (origin === other || origin.text === other.text) return 0;
  if (origin.hash !== other.hash) return origin.hash < other.hash ? -1 : 1;
  return compareText(origin.text, other.text);
}

export function labelSetOf(row: Row): LabelSet {
  const { base } = row;
  const { streamCount } = base;
  return {
    // Rows share the lists that their stages left alone: a shared list is packed, sent and written once.
    stream: row.hidesAny(0, streamCount) ? shownPairs(row, base, 0, streamCount) : base.stream.pairs,
    structuredMetadata: row.hidesAny(streamCount, base.names.length)
      ? sortedByName(shownPairs(row, base, streamCount, base.names.length))
      : base.metadataPairs,
    parsed: row.isUnchanged ? noPairs : sortedByName(parsedPairs(row)),
    origin: base.stream.origin,
  };
}

function shownPairs(row: Row, base: BaseLabels, from: number, to: number): LabelPair[] {
  const pairs: LabelPair[] = [];
  for (let i = from; i < to; i++) if (!row.isHidden(i)) pairs.push([base.names[i], base.values[i]]);
  return pairs;
}

/** Parsed labels with the error labels, which replace parsed ones of the same name. */
export function parsedPairs(row: Row): LabelPair[] {
  const pairs: LabelPair[] = [];
  for (let i = 0; i < row.parsedCount; i++) {
    const name = row.parsedNames[i];
    if (name === errorLabel && row.error !== '') continue;
    if (name === errorDetailsLabel && row.errorDetails !== '') continue;
    pairs.push([name, row.parsedValues[i]]);
  }
  if (row.error !== '') pairs.push([errorLabel, row.error]);
  if (row.errorDetails !== '') pairs.push([errorDetailsLabel, row.errorDetails]);
  return pairs;
}
