import type { Work } from '../common/sliced-work.ts';

/** Digits of 11 bits: six of them make 64 bits, and their counters fit the nearest caches. */
const digitBits = 11;
const digitValues = 1 << digitBits;
const digits = 6;
/** Values between two places where others may have the thread. */
const sliceValues = 1 << 16;

/**
 * Orders values, NaN first, then as numbers, -0 before 0, without a comparison: a radix sort of their bits,
 * O(values) in pieces of about a millisecond. Its buffers serve one call after the other.
 */
export class RankOrder {
  /** Of the last call: which value has a rank. */
  order = new Uint32Array(0);
  /** Of the last call: the rank of each value. */
  ranks = new Uint32Array(0);
  #low = new Uint32Array(0);
  #high = new Uint32Array(0);
  #spare = new Uint32Array(0);
  readonly #counts = new Uint32Array(digits * digitValues);

  /** Bytes of what ordering so many values takes. */
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

  /** Words that order like the values, as whole numbers do; and how often each digit has which value. */
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
    // Whole numbers have the same low digits, all of them zero.
    if (next[digitOf(this.#low[0], this.#high[0], digit)] === count) return;
    let before = 0;
    for (let value = 0; value < digitValues; value++) {
      const here = next[value];
      next[value] = before;
      before += here;
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

/** Of the lower word three digits, the highest of them short; of the upper word the same. */
function digitOf(low: number, high: number, digit: number): number {
  return digit < 3
    ? (low >>> (digit * digitBits)) & (digitValues - 1)
    : (high >>> ((digit - 3) * digitBits)) & (digitValues - 1);
}
