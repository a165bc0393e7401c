/** The newest numbers of logs that all partitions share: news of the catalog between processes. */
import type { SharedLogNumbers } from '@loki/ports';

type SharedLog = keyof SharedLogNumbers;

/** A shared log as one part of this process reads it. */
interface ReadLog {
  /** The newest manifest that was read. */
  number(): number;
  /** Called with each number that another process has told. */
  onTold?(number: number): void;
}

const names: readonly SharedLog[] = ['compactions', 'deletes', 'layout'];

/**
 * The newest numbers of shared logs, from the store or from other processes. A number that was told is a hint
 * to read the store, and proves nothing: a process passes it on also for a log that it does not read.
 */
export class SharedLogs {
  readonly #told: Record<SharedLog, number> = { compactions: 0, deletes: 0, layout: 0 };
  readonly #read = new Map<SharedLog, ReadLog>();

  /** Makes known how far this process has read a log. */
  reads(name: SharedLog, log: ReadLog): void {
    this.#read.set(name, log);
  }

  /** Takes numbers from another process. */
  tell(numbers: SharedLogNumbers): void {
    for (const name of names) {
      this.#told[name] = Math.max(this.#told[name], numbers[name]);
      this.#read.get(name)?.onTold?.(numbers[name]);
    }
  }

  /** The newest numbers that were read or told. */
  numbers(): SharedLogNumbers {
    const { compactions, deletes, layout } = this.#told;
    const newest = (name: SharedLog, told: number) => Math.max(told, this.#read.get(name)?.number() ?? 0);
    return {
      compactions: newest('compactions', compactions),
      deletes: newest('deletes', deletes),
      layout: newest('layout', layout),
    };
  }
}
