/**
 * Remembers stored rows of partly refused pushes, so that a retry is not charged twice: step *limit* of a
 * written line.
 */
import type { OfferedRows } from './refused-rows.ts';

/** Clients give up on a push after some minutes. */
const rememberedMs = 10 * 60_000;
/**
 * In each of two generations, of all streams: pushes of some hundred megabytes that are retried at a time, 20
 * MiB here at most.
 */
const rowsMax = 262_144;

/**
 * Rows that were stored out of pushes which were refused in part. A client sends such a push again whole, or
 * with more behind it: were the stored rows charged each time, two streams of a push could keep each other
 * from ever being taken together.
 *
 * Rows are known by stream, time and size: a retry is the same rows, and what is charged for them is the
 * same.
 */
export class PartlyStoredRows {
  #young = new Set<number>();
  #old = new Set<number>();
  #turnedMs = 0;

  /** @param stream the stream's placement hash */
  add(stream: number, rows: OfferedRows, nowMs: number): void {
    for (let i = 0; i < rows.count; i++) {
      if (this.#young.size >= rowsMax) this.#turn(nowMs);
      this.#young.add(keyOf(stream, rows, i));
    }
  }

  has(stream: number, rows: OfferedRows, index: number): boolean {
    const key = keyOf(stream, rows, index);
    return this.#young.has(key) || this.#old.has(key);
  }

  /** Whether there are any: nearly always not. */
  hasAny(nowMs: number): boolean {
    if (this.#young.size + this.#old.size === 0) return false;
    if (Math.abs(nowMs - this.#turnedMs) > rememberedMs) this.#turn(nowMs);
    return true;
  }

  #turn(nowMs: number): void {
    this.#turnedMs = nowMs;
    this.#old = this.#young;
    this.#young = new Set();
  }
}

/** 53 bits of a row's stream, time and size. */
function keyOf(stream: number, rows: OfferedRows, index: number): number {
  const seconds = rows.seconds(index);
  const low = mix(mix(mix(stream | 0, seconds | 0), rows.nanos(index)), rows.lineBytes(index));
  return (mix(low, stream | 0) & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
}

function mix(a: number, b: number): number {
  const hash = Math.imul(a ^ b, 0x9e3779b1) ^ b;
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
}
