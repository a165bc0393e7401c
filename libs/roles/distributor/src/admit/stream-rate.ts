/** The limit of a stream's rate. */
export interface StreamRateLimit {
  /** Bytes a second of one shard. */
  readonly rate: number;
  /** Bytes that one shard may bring at once. */
  readonly burst: number;
  /** Bytes a second from which on a stream gets one more shard; undefined: a stream is one shard. */
  readonly desiredRate: number | undefined;
}

/** The offered rate is looked at over this time. */
const windowMs = 1_000;

/** A bucket saves up for a refused share as long as the client asks again within this time. */
const savingMs = 10 * 60_000;

/**
 * How fast one stream grows, and whether a share of a push fits into its limit.
 *
 * A stream is as many shards as its offered rate, this share included, needs at `desiredRate`; each shard has
 * the whole rate and burst of the limit. A share is taken whole or not at all, and only what is taken is
 * charged.
 *
 * A share that is larger than the bucket could never be taken: the bucket saves up beyond its burst for the
 * share that it refused, so that a client which goes on asking is served at the rate of the limit.
 */
export class StreamRate {
  #tokens: number;
  #refilledMs: number;
  /** Shards whose burst is in the bucket, and when as many were last needed. */
  #shards = 1;
  #neededMs: number;
  /** Bytes of the largest share that waits, and when it was last asked for. */
  #awaitedBytes = 0;
  #awaitedMs = 0;
  #windowFromMs: number;
  #windowBytes = 0;
  #windowBytesBefore = 0;

  constructor({ burst }: StreamRateLimit, nowMs: number) {
    this.#tokens = burst;
    this.#refilledMs = nowMs;
    this.#neededMs = nowMs;
    this.#windowFromMs = nowMs;
  }

  /** Notes what a client brings, and returns how many shards the stream needs with it. */
  offer(bytes: number, { desiredRate }: StreamRateLimit, nowMs: number): number {
    if (desiredRate === undefined) return 1;
    this.#turnWindow(nowMs);
    this.#windowBytes += bytes;
    const shareBefore = 1 - (nowMs - this.#windowFromMs) / windowMs;
    const rate = this.#windowBytes + this.#windowBytesBefore * shareBefore;
    return Math.max(1, Math.ceil(rate / desiredRate));
  }

  /**
   * Takes `bytes` for a stream of `shards` if they are there; takes none otherwise.
   *
   * @returns 0: taken; else after how many milliseconds the same share would be taken
   */
  take(bytes: number, shards: number, { rate, burst }: StreamRateLimit, nowMs: number): number {
    this.#refill(shards, rate, burst, nowMs);
    if (bytes <= this.#tokens) {
      this.#tokens -= bytes;
      if (bytes >= this.#awaitedBytes) this.#awaitedBytes = 0;
      return 0;
    }
    this.#awaitedBytes = Math.max(this.#awaitedBytes, bytes);
    this.#awaitedMs = nowMs;
    return Math.max(1, ((bytes - this.#tokens) * 1_000) / (rate * shards));
  }

  #refill(shards: number, rate: number, burst: number, nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#refilledMs);
    this.#refilledMs = nowMs;
    if (nowMs - this.#awaitedMs > savingMs) this.#awaitedBytes = 0;
    if (shards > this.#shards) {
      // A shard that comes to be has its burst.
      this.#tokens += (shards - this.#shards) * burst;
      this.#shards = shards;
    }
    // A shard that was not needed for as long as its bucket takes to fill comes back full: until then it is
    // remembered.
    if (shards === this.#shards) this.#neededMs = nowMs;
    else if (nowMs - this.#neededMs > (burst * 1_000) / rate) {
      this.#shards = shards;
      this.#neededMs = nowMs;
    }
    const fullBytes = Math.max(this.#shards * burst, this.#awaitedBytes);
    this.#tokens = Math.min(fullBytes, this.#tokens + (elapsedMs * rate * shards) / 1_000);
  }

  #turnWindow(nowMs: number): void {
    const elapsedMs = nowMs - this.#windowFromMs;
    if (elapsedMs >= 0 && elapsedMs < windowMs) return;
    // Also after a pause, and when the clock was set back.
    const isNext = elapsedMs >= windowMs && elapsedMs < 2 * windowMs;
    this.#windowBytesBefore = isNext ? this.#windowBytes : 0;
    this.#windowBytes = 0;
    this.#windowFromMs = isNext ? this.#windowFromMs + windowMs : nowMs;
  }
}
