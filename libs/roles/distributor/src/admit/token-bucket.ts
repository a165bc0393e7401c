/** A token bucket that refills continuously. Its time is any clock that never goes back. */
export class TokenBucket {
  #tokens: number;
  #refilledMs: number;
  /** Time of the last refusal. */
  refusedMs = -Infinity;

  constructor(burst: number, nowMs: number) {
    this.#tokens = burst;
    this.#refilledMs = nowMs;
  }

  /** Time of the last call. */
  get usedMs(): number {
    return this.#refilledMs;
  }

  /**
   * Takes `count` tokens if the bucket has them; takes none otherwise. The rate may change from call to call.
   */
  take(count: number, perSecond: number, burst: number, nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#refilledMs);
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs * perSecond) / 1000);
    this.#refilledMs = nowMs;
    if (count > this.#tokens) return false;
    this.#tokens -= count;
    return true;
  }

  /** Returns tokens of a refused request. Tokens above the burst are lost at the next take. */
  giveBack(count: number): void {
    this.#tokens += count;
  }
}
