/** The state of rings in memory: for one process, which may serve it to others. */
import type { RingNews, RingPut, RingStore } from '@loki/ports';

interface MemoryRing {
  readonly entries: Map<string, string>;
  readonly watchers: Set<(news: RingNews) => void>;
}

/** Ring state in memory. Watchers are called in the order of the writes, never within the write itself. */
export class MemoryRingStore implements RingStore {
  readonly #rings = new Map<string, MemoryRing>();
  #isClosed = false;

  async entries(key: string): Promise<ReadonlyMap<string, string>> {
    return new Map(this.#ring(key).entries);
  }

  async get(key: string, id: string): Promise<string | undefined> {
    return this.#ring(key).entries.get(id);
  }

  async put({ key, id, value, isNews }: RingPut): Promise<void> {
    const ring = this.#ring(key);
    ring.entries.set(id, value);
    if (isNews) this.#tell(ring, new Map([[id, value]]));
  }

  async remove(key: string, id: string, value: string): Promise<boolean> {
    const ring = this.#ring(key);
    if (ring.entries.get(id) !== value) return false;
    ring.entries.delete(id);
    this.#tell(ring, new Map([[id, undefined]]));
    return true;
  }

  watch(key: string, onNews: (news: RingNews | undefined) => void): () => void {
    const { watchers } = this.#ring(key);
    // Two watches may pass the same function; each is a watch of its own.
    const watcher = (news: RingNews): void => onNews(news);
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const ring of this.#rings.values()) ring.watchers.clear();
  }

  #tell(ring: MemoryRing, news: RingNews): void {
    for (const watcher of ring.watchers) {
      queueMicrotask(() => {
        if (!this.#isClosed && ring.watchers.has(watcher)) watcher(news);
      });
    }
  }

  #ring(key: string): MemoryRing {
    let ring = this.#rings.get(key);
    if (!ring) this.#rings.set(key, (ring = { entries: new Map(), watchers: new Set() }));
    return ring;
  }
}
