/** The rate of one stream: step *limit* of a written line. */
export interface StreamRateLimit {
  /** Bytes a second of one shard. */
  readonly rate: number;
  /** Bytes that one shard may bring at once. */
  readonly burst: number;
  /** Bytes a second for which a stream gets one more shard; undefined: a stream is one shard. */
  readonly desiredRate: number | undefined;
}

/** The offered rate is measured over this time. */
const windowMs = 1_000;

/** Numbers of a rate; 8 bytes each. */
export const rateFieldCount = 9;

/** A bucket saves for a refused share if the client repeats it within this time. */
const savingMs = 10 * 60_000;

/**
 * Measures how fast one stream grows, and decides whether a share of a push fits into its limit.
 *
 * A stream has as many shards as its offered rate, this share included, needs at `desiredRate`; each shard
 * has the whole rate and burst of the limit. A share is admitted whole or refused whole, and only admitted
 * shares are charged.
 *
 * A share larger than the bucket could never be admitted: the bucket saves beyond its burst for the share
 * that it refused, so a client that repeats it is served at the rate of the limit.
 *
 * A view of numbers in a column, which serves one stream after another: a million streams have no objects.
 */
export class StreamRate {
  #fields = new Float64Array(rateFieldCount);
  #at = 0;

  /** Moves to the rate whose fields begin at fields[at]. */
  moveTo(fields: Float64Array<ArrayBuffer>, at: number): this {
    this.#fields = fields;
    this.#at = at;
    return this;
  }

  get isStarted(): boolean {
    return this.#shards > 0;
  }

  /** Begins with a full bucket. All fields are 0. */
  start({ burst }: StreamRateLimit, nowMs: number): this {
    this.#tokens = burst;
    this.#shards = 1;
    this.#refilledMs = nowMs;
    this.#neededMs = nowMs;
    this.#windowFromMs = nowMs;
    return this;
  }

  /** Adds a share to the measured rate, and returns the number of shards that the stream needs. */
  offer(bytes: number, { desiredRate }: StreamRateLimit, nowMs: number): number {
    if (desiredRate === undefined) return 1;
    this.#turnWindow(nowMs);
    this.#windowBytes += bytes;
    const shareBefore = 1 - (nowMs - this.#windowFromMs) / windowMs;
    const rate = this.#windowBytes + this.#windowBytesBefore * shareBefore;
    return Math.max(1, Math.ceil(rate / desiredRate));
  }

  /**
   * Charges `bytes` to a stream of `shards` shards if the bucket has them; charges nothing otherwise.
   *
   * @returns 0: charged; else the milliseconds until the same share would be admitted
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
      // A new shard starts with its full burst.
      this.#tokens += (shards - this.#shards) * burst;
      this.#shards = shards;
    }
    // A shard that was unused for as long as its bucket takes to fill would be full: it is kept until then.
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
    // Also true after a pause, and when the clock was set back.
    const isNext = elapsedMs >= windowMs && elapsedMs < 2 * windowMs;
    this.#windowBytesBefore = isNext ? this.#windowBytes : 0;
    this.#windowBytes = 0;
    this.#windowFromMs = isNext ? this.#windowFromMs + windowMs : nowMs;
  }

  get #tokens(): number {
    return this.#fields[this.#at];
  }

  set #tokens(value: number) {
    this.#fields[this.#at] = value;
  }

  get #refilledMs(): number {
    return this.#fields[this.#at + 1];
  }

  set #refilledMs(value: number) {
    this.#fields[this.#at + 1] = value;
  }

  /** Shards whose burst is in the bucket. */
  get #shards(): number {
    return this.#fields[this.#at + 2];
  }

  set #shards(value: number) {
    this.#fields[this.#at + 2] = value;
  }

  /** The time when that many shards were last needed. */
  get #neededMs(): number {
    return this.#fields[this.#at + 3];
  }

  set #neededMs(value: number) {
    this.#fields[this.#at + 3] = value;
  }

  /** Bytes of the largest refused share. */
  get #awaitedBytes(): number {
    return this.#fields[this.#at + 4];
  }

  set #awaitedBytes(value: number) {
    this.#fields[this.#at + 4] = value;
  }

  /** Time of its last attempt. */
  get #awaitedMs(): number {
    return this.#fields[this.#at + 5];
  }

  set #awaitedMs(value: number) {
    this.#fields[this.#at + 5] = value;
  }

  get #windowFromMs(): number {
    return this.#fields[this.#at + 6];
  }

  set #windowFromMs(value: number) {
    this.#fields[this.#at + 6] = value;
  }

  get #windowBytes(): number {
    return this.#fields[this.#at + 7];
  }

  set #windowBytes(value: number) {
    this.#fields[this.#at + 7] = value;
  }

  get #windowBytesBefore(): number {
    return this.#fields[this.#at + 8];
  }

  set #windowBytesBefore(value: number) {
    this.#fields[this.#at + 8] = value;
  }
}
