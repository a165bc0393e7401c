/** The state of rings in memory: for one process, or lent to others by it. */
import type { RingStore } from '@loki/ports';

interface Entry {
  value: string | undefined;
  version: number;
  readonly watchers: Set<(value: string | undefined) => void>;
}

/**
 * Ring state in memory: for one process. Watchers are called in the order of the writes, never within the
 * write itself.
 */
export class MemoryRingStore implements RingStore {
  readonly #entries = new Map<string, Entry>();
  #isClosed = false;

  async get(key: string): Promise<{ value: string; version: string } | undefined> {
    const { value, version } = this.#entry(key);
    return value === undefined ? undefined : { value, version: String(version) };
  }

  async compareAndSet(key: string, value: string, version: string | undefined): Promise<boolean> {
    const entry = this.#entry(key);
    const current = entry.value === undefined ? undefined : String(entry.version);
    if (version !== current) return false;
    entry.value = value;
    entry.version++;
    for (const watcher of entry.watchers) this.#tell(entry, watcher, value);
    return true;
  }

  watch(key: string, onChange: (value: string | undefined) => void): () => void {
    const entry = this.#entry(key);
    // Two watches may pass the same function; each is a watch of its own.
    const watcher = (value: string | undefined): void => onChange(value);
    entry.watchers.add(watcher);
    this.#tell(entry, watcher, entry.value);
    return () => entry.watchers.delete(watcher);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const entry of this.#entries.values()) entry.watchers.clear();
  }

  #tell(entry: Entry, watcher: (value: string | undefined) => void, value: string | undefined): void {
    queueMicrotask(() => {
      if (!this.#isClosed && entry.watchers.has(watcher)) watcher(value);
    });
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key);
    if (!entry) this.#entries.set(key, (entry = { value: undefined, version: 0, watchers: new Set() }));
    return entry;
  }
}
