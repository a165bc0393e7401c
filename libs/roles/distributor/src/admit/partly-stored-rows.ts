/**
 * Tracks stored rows of partly refused pushes, so that a retry is not charged twice: step *limit* of a
 * written line.
 */
import type { OfferedRows } from './refused-rows.ts';

/** Clients give up on a push after some minutes. */
const rememberedMs = 10 * 60_000;
/**
 * Rows in each of the two generations, over all streams: enough for some hundred megabytes of pushes that are
 * being retried; 20 MiB of memory at most.
 */
const rowsMax = 262_144;

/**
 * Stored rows of pushes that were refused in part. A client sends such a push again, whole or with more rows:
 * if its stored rows were charged each time, two streams of one push could keep each other from being stored
 * with every retry.
 *
 * A row is identified by stream, time and size: a retry sends the same rows, and they would be charged the
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

  /** Whether any row is tracked; usually false. */
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

/** A hash of 53 bits over a row's stream, time and size. */
function keyOf(stream: number, rows: OfferedRows, index: number): number {
  const seconds = rows.seconds(index);
  const low = mix(mix(mix(stream | 0, seconds | 0), rows.nanos(index)), rows.lineBytes(index));
  return (mix(low, stream | 0) & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
}

function mix(a: number, b: number): number {
  const hash = Math.imul(a ^ b, 0x9e3779b1) ^ b;
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
}
