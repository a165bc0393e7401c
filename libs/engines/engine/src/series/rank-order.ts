/** Orders values by a radix sort, in slices: quantiles over windows. */
import type { Work } from '../common/sliced-work.ts';

/** Digits of 11 bits: six of them cover 64 bits, and their counters fit the L1 cache. */
const digitBits = 11;
const digitValues = 1 << digitBits;
const digits = 6;
/** Values between two pauses. */
const sliceValues = 1 << 16;

/**
 * Orders values by a radix sort of their bits: NaN first, then numbers, -0 before 0. O(values), in slices of
 * about a millisecond. Its buffers are reused by later calls.
 */
export class RankOrder {
  /** The value of each rank, of the last call. */
  order = new Uint32Array(0);
  /** The rank of each value, of the last call. */
  ranks = new Uint32Array(0);
  #low = new Uint32Array(0);
  #high = new Uint32Array(0);
  #spare = new Uint32Array(0);
  readonly #counts = new Uint32Array(digits * digitValues);

  /** Bytes for ordering `count` values. */
  static bytesOf(count: number): number {
    return 5 * 4 * count;
  }

  *rank(values: Float64Array): Work<void> {
    const count = values.length;
    if (count > this.order.length) this.#resize(count);
    yield* this.#readKeys(values);
    for (let i = 0; i < count; i++) this.order[i] = i;
    for (let digit = 0; digit < digits; digit++) yield* this.#sortBy(digit, count);
    for (let rank = 0; rank < count; rank++) this.ranks[this.order[rank]] = rank;
    yield;
  }

  #resize(count: number): void {
    this.order = new Uint32Array(count);
    this.ranks = new Uint32Array(count);
    this.#low = new Uint32Array(count);
    this.#high = new Uint32Array(count);
    this.#spare = new Uint32Array(count);
  }

  /** Converts values to integers with the same order, and counts the values of each digit. */
  *#readKeys(values: Float64Array): Work<void> {
    const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
    const counts = this.#counts.fill(0);
    for (let i = 0; i < values.length; i++) {
      let low = words[2 * i];
      let high = words[2 * i + 1];
      if (Number.isNaN(values[i])) low = high = 0;
      else if (high >>> 31 === 1) [low, high] = [~low >>> 0, ~high >>> 0];
      else high = (high | 0x8000_0000) >>> 0;
      this.#low[i] = low;
      this.#high[i] = high;
      for (let digit = 0; digit < digits; digit++) counts[digit * digitValues + digitOf(low, high, digit)]++;
      if (i % sliceValues === sliceValues - 1) yield;
    }
  }

  *#sortBy(digit: number, count: number): Work<void> {
    const next = this.#counts.subarray(digit * digitValues, (digit + 1) * digitValues);
    // All values have the same digit here, e.g. the low zeros of whole numbers.
    if (next[digitOf(this.#low[0], this.#high[0], digit)] === count) return;
    let start = 0;
    for (let value = 0; value < digitValues; value++) {
      const digitCount = next[value];
      next[value] = start;
      start += digitCount;
    }
    const [from, to] = [this.order, this.#spare];
    for (let i = 0; i < count; i++) {
      const item = from[i];
      to[next[digitOf(this.#low[item], this.#high[item], digit)]++] = item;
      if (i % sliceValues === sliceValues - 1) yield;
    }
    [this.order, this.#spare] = [to, from];
  }
}

/** Digits 0-2 are from the low word, 3-5 from the high word; the highest digit of each word is shorter. */
function digitOf(low: number, high: number, digit: number): number {
  return digit < 3
    ? (low >>> (digit * digitBits)) & (digitValues - 1)
    : (high >>> ((digit - 3) * digitBits)) & (digitValues - 1);
}
