/** Selection of the n-th value: quantiles, and limits of log queries. */

/** Most rounds; each round halves the values on average. */
const roundsMax = 64;

/**
 * The value at index `n` if `values` were sorted, in linear time on average; none may be NaN. Afterwards it
 * is at that index, with smaller values before it and larger ones after it.
 */
export function selectNth(values: Float64Array, n: number): number {
  let from = 0;
  let to = values.length - 1;
  for (let round = 0; from < to; round++) {
    // The values are in an adversarial order: sorting bounds the cost.
    if (round === roundsMax) {
      values.subarray(from, to + 1).sort();
      break;
    }
    const pivot = values[(from + to) >> 1];
    let i = from;
    let j = to;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i > j) break;
      const swapped = values[i];
      values[i++] = values[j];
      values[j--] = swapped;
    }
    if (n <= j) to = j;
    else if (n >= i) from = i;
    else return values[n];
  }
  return values[n];
}
