import { LokiError } from '@loki/model';
import type { RingStore } from '@loki/ports';
import type { Prng } from './prng.ts';
import type { VirtualProcess } from './virtual-process.ts';

/** How nasty the store of the rings is. Probabilities are per call. */
export interface RingFaults {
  error: number;
  /** A write is done, and the writer hears an error. */
  answerLost: number;
  /** A watcher is not told of a change. */
  newsLost: number;
  down: boolean;
  delayMaxMs: number;
}

/** A store of rings that fails at nothing and answers within 5 ms. */
export const noRingFaults: RingFaults = { error: 0, answerLost: 0, newsLost: 0, down: false, delayMaxMs: 5 };

/** States of the past that a rewind may bring back. */
const historyMax = 200;

/** Ring state that outlives processes: late, at times unreachable, and now and then emptied or set back. */
export class VirtualRings {
  faults: RingFaults = { ...noRingFaults };
  readonly #random: Prng;
  readonly #values = new Map<string, { value: string; version: number }>();
  readonly #history: { key: string; value: string }[] = [];
  readonly #watchers = new Set<(key: string) => void>();
  #version = 0;

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
      get: (key) =>
        ask(`get ${key}`, () => {
          const found = this.#values.get(key);
          return found && { value: found.value, version: String(found.version) };
        }),
      compareAndSet: (key, value, version) =>
        ask(
          `set ${key}`,
          () => {
            const found = this.#values.get(key);
            if ((found === undefined ? undefined : String(found.version)) !== version) return false;
            this.#put(key, value);
            return true;
          },
          true,
        ),
      watch: (key, onChange) => {
        const tell = (changed: string) => {
          if (changed !== key || this.faults.down || this.#random.chance(this.faults.newsLost)) return;
          const value = this.#values.get(key)?.value;
          process.after(this.#delay(), `ring news ${key}`, () => onChange(value));
        };
        this.#watchers.add(tell);
        tell(key);
        return () => this.#watchers.delete(tell);
      },
      close: () => Promise.resolve(),
    };
  }

  /** Everything is forgotten. */
  wipe(): void {
    const keys = [...this.#values.keys()];
    this.#values.clear();
    for (const key of keys) this.#news(key);
  }

  /** Some state of the past is back. */
  rewind(): void {
    if (this.#history.length === 0) return;
    const { key, value } = this.#random.pick(this.#history);
    this.#put(key, value);
  }

  #put(key: string, value: string): void {
    this.#values.set(key, { value, version: ++this.#version });
    this.#history.push({ key, value });
    if (this.#history.length > historyMax) this.#history.shift();
    this.#news(key);
  }

  #news(key: string): void {
    for (const watcher of this.#watchers) watcher(key);
  }

  #delay(): number {
    return this.#random.float() * this.faults.delayMaxMs;
  }
}
