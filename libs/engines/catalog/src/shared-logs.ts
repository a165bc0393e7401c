/** The newest numbers of logs that all partitions share: news of the catalog between processes. */
import type { SharedLogNumbers } from '@loki/ports';

type SharedLog = keyof SharedLogNumbers;

/** A shared log and its reader in this process. */
interface ReadLog {
  /** The newest manifest that was read. */
  number(): number;
  /** Called with each number that another process reports. */
  onTold?(number: number): void;
}

const names: readonly SharedLog[] = ['compactions', 'deletes', 'layout'];

/**
 * The newest numbers of shared logs, from the store or from other processes. A reported number is a hint to
 * read the store, not a proof. A process passes it on also for a log that it does not read.
 */
export class SharedLogs {
  readonly #told: Record<SharedLog, number> = { compactions: 0, deletes: 0, layout: 0 };
  readonly #read = new Map<SharedLog, ReadLog>();

  /** Publishes the number up to which this process has read a log. */
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

  /** The newest numbers, read or reported. */
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
