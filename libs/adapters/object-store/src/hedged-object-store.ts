/** Second requests for parts of objects that are late: step *fetch* of a query. */
import { hasCode } from '@loki/model';
import type { Clock, ObjectInfo, ObjectStore, TimerHandle, Timers } from '@loki/ports';
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
/** A read that is late while no second request is allowed is checked again, after times that double. */
const checksMax = 8;
/** Whole objects are small: manifests, and parts of checkpoints. */
const wholeBytes = 0;

/**
 * A store that repeats late reads. A read that takes longer than 19 of the last 20 of its size, and twice
 * their median, is requested a second time; the first answer counts, and the other request is cancelled. At
 * most one read in twenty is repeated, so that a store that is slow as a whole does not get twice the work.
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
    return this.#read(wholeBytes, (readSignal) => this.#deps.store.get(key, readSignal), signal);
  }

  getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    return this.#read(
      length,
      (readSignal) => this.#deps.store.getRange(key, offset, length, readSignal),
      signal,
    );
  }

  getTail(key: string, length: number, signal?: AbortSignal): Promise<{ bytes: Buffer; sizeBytes: number }> {
    return this.#read(length, (readSignal) => this.#deps.store.getTail(key, length, readSignal), signal);
  }

  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    return this.#deps.store.list(prefix, startAfter);
  }

  delete(key: string): Promise<void> {
    return this.#deps.store.delete(key);
  }

  async #read<T>(
    bytes: number,
    ask: (readSignal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { times, clock, timers } = this.#deps;
    this.#allowance = Math.min(hedgesMax * readsPerHedge, this.#allowance + 1);
    const startedMs = clock.monotonicMs();
    const cancellation = new AbortController();
    const readSignal = signal ? AbortSignal.any([signal, cancellation.signal]) : cancellation.signal;
    const { promise: second, resolve, reject } = Promise.withResolvers<T>();
    const check = (checks: number, delayMs: number): TimerHandle =>
      timers.after(delayMs, () => {
        if (this.#allowance >= readsPerHedge) {
          this.#allowance -= readsPerHedge;
          ask(readSignal).then(resolve, reject);
        } else if (checks < checksMax) timer = check(checks + 1, 2 * delayMs);
      });
    let timer = check(1, times.lateMs(bytes));
    second.catch(() => undefined); // the race reports it, if it matters
    try {
      const first = ask(readSignal);
      // A failure of the second request is ignored, because the first one continues; an absent object is no
      // failure.
      const answer = await Promise.race([
        first,
        second.catch((error: unknown) => (isAbsence(error) ? Promise.reject(error) : first)),
      ]);
      times.add(clock.monotonicMs() - startedMs, bytes);
      return answer;
    } catch (error) {
      if (isAbsence(error)) times.add(clock.monotonicMs() - startedMs, bytes);
      throw error;
    } finally {
      timer.cancel();
      cancellation.abort(new Error('another request was answered'));
    }
  }
}

function isAbsence(error: unknown): boolean {
  return hasCode(error, 'notFound');
}
