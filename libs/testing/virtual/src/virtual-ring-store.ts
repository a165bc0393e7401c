/** A virtual ring store with faults. */
import { LokiError } from '@loki/model';
import type { RingNews, RingStore } from '@loki/ports';
import type { Prng } from './prng.ts';
import type { VirtualProcess } from './virtual-process.ts';

/** Faults of the rings' store. Probabilities are per call. */
export interface RingFaults {
  error: number;
  /** A write is done, and the writer gets an error. */
  answerLost: number;
  /** A watcher misses a change. */
  newsLost: number;
  down: boolean;
  delayMaxMs: number;
}

/** A store of rings without faults that answers within 5 ms. */
export const noRingFaults: RingFaults = { error: 0, answerLost: 0, newsLost: 0, down: false, delayMaxMs: 5 };

/** Earlier states that a rewind may bring back. */
const historyMax = 200;

/** Ring state that outlives processes: late, at times unreachable, and now and then emptied or set back. */
export class VirtualRings {
  faults: RingFaults = { ...noRingFaults };
  readonly #random: Prng;
  readonly #rings = new Map<string, ReadonlyMap<string, string>>();
  readonly #history: { key: string; entries: ReadonlyMap<string, string> }[] = [];
  readonly #watchers = new Set<(key: string, news: RingNews | undefined) => void>();

  constructor(random: Prng) {
    this.#random = random;
  }

  client(process: VirtualProcess): RingStore {
    const ask = <T>(label: string, work: () => T, isWrite = false) =>
      process.tell(this.#delay(), `ring ${label}`, () => {
        if (this.faults.down || this.#random.chance(this.faults.error)) {
          throw new LokiError('unavailable', 'the ring store does not answer');
        }
        const result = work();
        if (isWrite && this.#random.chance(this.faults.answerLost)) {
          throw new LokiError('unavailable', 'the answer of the ring store got lost');
        }
        return result;
      });
    return {
      entries: (key) => ask(`entries ${key}`, () => this.#of(key)),
      get: (key, id) => ask(`get ${key}`, () => this.#of(key).get(id)),
      put: ({ key, id, value, isNews }) =>
        ask(
          `put ${key}`,
          () => {
            this.#set(key, new Map([...this.#of(key), [id, value]]));
            if (isNews) this.#tell(key, new Map([[id, value]]));
          },
          true,
        ),
      remove: (key, id, value) =>
        ask(
          `remove ${key}`,
          () => {
            if (this.#of(key).get(id) !== value) return false;
            this.#set(key, new Map([...this.#of(key)].filter(([each]) => each !== id)));
            this.#tell(key, new Map([[id, undefined]]));
            return true;
          },
          true,
        ),
      watch: (key, onNews) => {
        const tell = (changed: string, news: RingNews | undefined) => {
          if (changed !== key || this.faults.down || this.#random.chance(this.faults.newsLost)) return;
          process.after(this.#delay(), `ring news ${key}`, () => onNews(news));
        };
        this.#watchers.add(tell);
        return () => this.#watchers.delete(tell);
      },
      close: () => Promise.resolve(),
    };
  }

  /** Removes all state. */
  wipe(): void {
    const keys = [...this.#rings.keys()];
    this.#rings.clear();
    for (const key of keys) this.#tell(key, undefined);
  }

  /** Brings an earlier state back. */
  rewind(): void {
    if (this.#history.length === 0) return;
    const { key, entries } = this.#random.pick(this.#history);
    this.#set(key, entries);
    this.#tell(key, undefined);
  }

  #of(key: string): ReadonlyMap<string, string> {
    return this.#rings.get(key) ?? new Map();
  }

  #set(key: string, entries: ReadonlyMap<string, string>): void {
    this.#rings.set(key, entries);
    this.#history.push({ key, entries });
    if (this.#history.length > historyMax) this.#history.shift();
  }

  #tell(key: string, news: RingNews | undefined): void {
    for (const watcher of this.#watchers) watcher(key, news);
  }

  #delay(): number {
    return this.#random.float() * this.faults.delayMaxMs;
  }
}
