/** Labels in the order of their names: the order of answers. */
import { compareText } from '@loki/model';
import type { LabelPair } from '@loki/model';

/** Lists up to this length are sorted by insertion, which allocates nothing. */
const insertionMax = 32;

/**
 * Sorts by name, in place; pairs with equal names keep their order. O(n²) for up to 32 pairs, which are
 * nearly sorted.
 */
export function sortedByName(pairs: LabelPair[]): LabelPair[] {
  if (pairs.length > insertionMax) return pairs.sort((a, b) => compareText(a[0], b[0]));
  for (let i = 1; i < pairs.length; i++) {
    const pair = pairs[i];
    let at = i;
    for (; at > 0 && compareText(pairs[at - 1][0], pair[0]) > 0; at--) pairs[at] = pairs[at - 1];
    pairs[at] = pair;
  }
  return pairs;
}
