/** The state of one stream, as a view of its columns: step *limit* of a written line. */
import { rateFieldCount, StreamRate } from './stream-rate.ts';
import type { StreamRateLimit } from './stream-rate.ts';

/** Places of a stream's fields in its row of a page. */
const hashAt = 0;
const seenAt = 1;
const reportedAt = 2;
const secondsAt = 3;
const nanosAt = 4;
const rateAt = 5;

/** Numbers of one stream; 8 bytes each. */
export const stateFieldCount = rateAt + rateFieldCount;

/** One stream of a `StreamStates`. A view: it serves one stream after another. */
export class StreamState {
  #page = new Float64Array(stateFieldCount);
  #at = 0;
  readonly #rate = new StreamRate();

  /** Moves to the stream whose fields begin at page[at]. */
  moveTo(page: Float64Array<ArrayBuffer>, at: number): this {
    this.#page = page;
    this.#at = at;
    return this;
  }

  /** Sets the fields of a new stream. */
  start(hash: number, nowMs: number): this {
    this.#page.fill(0, this.#at, this.#at + stateFieldCount);
    this.#page[this.#at + hashAt] = hash;
    this.seenMs = nowMs;
    this.reportedMs = nowMs;
    this.newestSeconds = Number.NEGATIVE_INFINITY;
    return this;
  }

  get hash(): number {
    return this.#page[this.#at + hashAt];
  }

  get seenMs(): number {
    return this.#page[this.#at + seenAt];
  }

  set seenMs(ms: number) {
    this.#page[this.#at + seenAt] = ms;
  }

  /** Time of the last report to the counter that the stream is in use. */
  get reportedMs(): number {
    return this.#page[this.#at + reportedAt];
  }

  set reportedMs(ms: number) {
    this.#page[this.#at + reportedAt] = ms;
  }

  /** Of the newest admitted row; -Infinity: there is none. */
  get newestSeconds(): number {
    return this.#page[this.#at + secondsAt];
  }

  set newestSeconds(seconds: number) {
    this.#page[this.#at + secondsAt] = seconds;
  }

  get newestNanos(): number {
    return this.#page[this.#at + nanosAt];
  }

  set newestNanos(nanos: number) {
    this.#page[this.#at + nanosAt] = nanos;
  }

  /** The rate, which begins with a full bucket at its first use. */
  rate(limit: StreamRateLimit, nowMs: number): StreamRate {
    const rate = this.#rate.moveTo(this.#page, this.#at + rateAt);
    return rate.isStarted ? rate : rate.start(limit, nowMs);
  }
}
