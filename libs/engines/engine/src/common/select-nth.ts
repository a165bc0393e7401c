/** Each round leaves half of the values on average. */
const roundsMax = 64;

/**
 * The value at index `n` if `values` were sorted, in linear time on average; none may be NaN. It stands there
 * afterwards, smaller ones before it and larger ones behind.
 */
export function selectNth(values: Float64Array, n: number): number {
  let from = 0;
  let to = values.length - 1;
  for (let round = 0; from < to; round++) {
    // Values in an order that is made to be slow: sorting is the worst that happens.
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
