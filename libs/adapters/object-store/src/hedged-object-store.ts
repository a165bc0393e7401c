/** Second requests for parts of objects that are late: step *fetch* of a query. */
import type { Clock, ObjectInfo, ObjectStore, Timers } from '@loki/ports';
import type { StoreTimes } from './store-times.ts';

interface HedgedStoreDeps {
  readonly store: ObjectStore;
  readonly times: StoreTimes;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** One in this many reads may be sent twice. */
const readsPerHedge = 20;
/** Maximum of saved second requests. */
const hedgesMax = 8;

/**
 * A store that repeats late reads. A ranged read that takes longer than 19 of the last 20 is requested a
 * second time; the first answer counts, and the other request is cancelled. At most one read in twenty is
 * repeated, so that a store that is slow as a whole does not get twice the work.
 */
export class HedgedObjectStore implements ObjectStore {
  readonly #deps: HedgedStoreDeps;
  #allowance = readsPerHedge;

  constructor(deps: HedgedStoreDeps) {
    this.#deps = deps;
  }

  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#deps.store.put(key, bytes, signal);
  }

  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    return this.#deps.store.putIfAbsent(key, bytes, signal);
  }

  get(key: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#deps.store.get(key, signal);
  }

  getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    return this.#read((readSignal) => this.#deps.store.getRange(key, offset, length, readSignal), signal);
  }

  getTail(key: string, length: number, signal?: AbortSignal): Promise<{ bytes: Buffer; sizeBytes: number }> {
    return this.#read((readSignal) => this.#deps.store.getTail(key, length, readSignal), signal);
  }

  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    return this.#deps.store.list(prefix, startAfter);
  }

  delete(key: string): Promise<void> {
    return this.#deps.store.delete(key);
  }

  async #read<T>(ask: (readSignal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { times, clock, timers } = this.#deps;
    this.#allowance = Math.min(hedgesMax * readsPerHedge, this.#allowance + 1);
    const startedMs = clock.monotonicMs();
    const cancellation = new AbortController();
    const readSignal = signal ? AbortSignal.any([signal, cancellation.signal]) : cancellation.signal;
    const { promise: second, resolve, reject } = Promise.withResolvers<T>();
    const timer = timers.after(times.lateMs, () => {
      if (this.#allowance < readsPerHedge) return;
      this.#allowance -= readsPerHedge;
      ask(readSignal).then(resolve, reject);
    });
    second.catch(() => undefined); // the race reports it, if it matters
    try {
      const first = ask(readSignal);
      // A failure of the second request is ignored: the first one continues.
      const answer = await Promise.race([first, second.catch(() => first)]);
      times.add(clock.monotonicMs() - startedMs);
      return answer;
    } finally {
      timer.cancel();
      cancellation.abort(new Error('another request was answered'));
    }
  }
}
