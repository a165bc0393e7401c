/**
 * Bounds the requests to a bucket while its server refuses some for their number: step *fetch* of a query.
 */

/** Most requests and connections of one thread. */
export const requestsMax = 128;
/** Least requests side by side of one thread: a server that refuses at random still answers the others. */
const leastAtOnce = 8;
/** The window after a refusal, as a part of the requests before it. */
const afterRefusal = 0.7;
/** Answers that widen the window by one are its size divided by this: from 8 to 128 within 2,000 answers. */
const growth = 4;

/** A request that has begun: refusals of requests from before the last narrowing count once. */
interface Entry {
  readonly round: number;
}

/**
 * Requests of one thread that run side by side, as in TCP: the first refusal narrows the window to seven
 * tenths of them, answers widen it again. Later requests wait in the order of their arrival. Without it a
 * server that is asked for too much would get each refused request again beside all new ones.
 */
export class RequestWindow {
  readonly #most: number;
  #size: number;
  #running = 0;
  #round = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param most requests side by side while none is refused */
  constructor(most: number) {
    this.#most = most;
    this.#size = most;
  }

  /** Requests that may run side by side now. */
  get size(): number {
    return Math.floor(this.#size);
  }

  /** Resolves when one more request may run; rejects with the signal's reason when it aborts first. */
  async enter(signal?: AbortSignal): Promise<Entry> {
    if (this.#running < this.size) this.#running++;
    else await this.#wait(signal);
    return { round: this.#round };
  }

  /** Call it when the request of `enter` has ended. */
  leave({ round }: Entry, isRefused: boolean): void {
    if (!isRefused) this.#size = Math.min(this.#most, this.#size + growth / this.#size);
    else if (round === this.#round) {
      this.#size = Math.max(leastAtOnce, Math.min(this.#size, this.#running) * afterRefusal);
      this.#round++;
    }
    this.#running--;
    while (this.#running < this.size && this.#waiting.length > 0) this.#waiting.shift()!();
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        reject(signal!.reason as Error);
      };
      const begin = (): void => {
        signal?.removeEventListener('abort', onAbort);
        this.#running++;
        resolve();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(begin);
    });
  }
}
