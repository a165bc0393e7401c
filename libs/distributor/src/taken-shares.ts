import type { OfferedRows } from './stream-admission.ts';

/** Clients give up on a push after some minutes. */
const rememberedMs = 10 * 60_000;
/** Pushes of one stream that are retried at a time. */
const rememberedMax = 16;

/**
 * Shares of one stream that were stored out of pushes which were refused in part. A client sends such a push again whole:
 * were its stored shares charged each time, two streams of a push could keep each other from ever being taken together.
 */
export class TakenShares {
  readonly #untilMs = new Map<string, number>();

  add(rows: OfferedRows, nowMs: number): void {
    const key = keyOf(rows, undefined);
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + rememberedMs);
    if (this.#untilMs.size > rememberedMax) this.#untilMs.delete(this.#untilMs.keys().next().value!);
  }

  /** @param refused rows that do not count */
  has(rows: OfferedRows, refused: ReadonlySet<number> | undefined, nowMs: number): boolean {
    return (this.#untilMs.get(keyOf(rows, refused)) ?? 0) > nowMs;
  }
}

/** Times and sizes of rows: what is charged is the same, and a retry is the same rows. */
function keyOf(rows: OfferedRows, refused: ReadonlySet<number> | undefined): string {
  let count = 0;
  let bytes = 0;
  let hash = 0;
  for (let i = 0; i < rows.count; i++) {
    if (refused?.has(i)) continue;
    const lineBytes = rows.lineBytes(i);
    count++;
    bytes += lineBytes;
    for (const part of [rows.seconds(i), rows.nanos(i), lineBytes])
      hash = Math.imul(hash ^ (part | 0), 0x9e3779b1) ^ (hash >>> 15);
  }
  return `${count}/${bytes}/${hash}`;
}
