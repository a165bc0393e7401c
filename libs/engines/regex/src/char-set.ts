/** Sets of characters, as ranges of code points. */

/** Sorted, disjoint, non-adjacent inclusive ranges of code points: [lo, hi, lo, hi, …]. */
export type CharSet = readonly number[];

export const runeMax = 0x10_ffff;
export const anyChar: CharSet = [0, runeMax];
export const anyCharNotNewline: CharSet = [0, 9, 11, runeMax];

/** Sorts and joins ranges in any order. */
export function charSet(ranges: readonly number[]): CharSet {
  if (ranges.length <= 2) return ranges;
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i], ranges[i + 1]]);
  pairs.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [lo, hi] of pairs) {
    const last = out.length - 1;
    if (last >= 0 && lo <= out[last] + 1) out[last] = Math.max(out[last], hi);
    else out.push(lo, hi);
  }
  return out;
}

export function union(a: CharSet, b: CharSet): CharSet {
  return charSet([...a, ...b]);
}

export function negate(set: CharSet): CharSet {
  const out: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i] > next) out.push(next, set[i] - 1);
    next = set[i + 1] + 1;
  }
  if (next <= runeMax) out.push(next, runeMax);
  return out;
}

/** The part of `set` within lo .. hi. */
export function clip(set: CharSet, lo: number, hi: number): CharSet {
  const out: number[] = [];
  for (let i = 0; i < set.length; i += 2) {
    const from = Math.max(lo, set[i]);
    const to = Math.min(hi, set[i + 1]);
    if (from <= to) out.push(from, to);
  }
  return out;
}

export function includes(set: CharSet, rune: number): boolean {
  let low = 0;
  let high = set.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (rune < set[middle * 2]) high = middle - 1;
    else if (rune > set[middle * 2 + 1]) low = middle + 1;
    else return true;
  }
  return false;
}

/** Does `set` hold all of lo .. hi? */
export function covers(set: CharSet, lo: number, hi: number): boolean {
  for (let i = 0; i < set.length; i += 2) if (set[i] <= lo && hi <= set[i + 1]) return true;
  return false;
}

/** Number of code points in the set. */
export function size(set: CharSet): number {
  let count = 0;
  for (let i = 0; i < set.length; i += 2) count += set[i + 1] - set[i] + 1;
  return count;
}
