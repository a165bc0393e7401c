/** A part of a store below a prefix. */
import { LokiError } from '@loki/model';
import type { ObjectInfo, ObjectStore } from '@loki/ports';
import { checkKey } from './keys.ts';

/** The part of a store below a prefix, as a store of its own: several installations share a bucket. */
export class PrefixedObjectStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #prefix: string;

  /** @param prefix without the `/` that follows it */
  constructor(store: ObjectStore, prefix: string) {
    const trimmed = prefix.replace(/^\/+|\/+$/g, '');
    checkKey(trimmed);
    this.#store = store;
    this.#prefix = `${trimmed}/`;
  }

  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#with(key, (full) => this.#store.put(full, bytes, signal));
  }

  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    return this.#with(key, (full) => this.#store.putIfAbsent(full, bytes, signal));
  }

  get(key: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#with(key, (full) => this.#store.get(full, signal));
  }

  getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    return this.#with(key, (full) => this.#store.getRange(full, offset, length, signal));
  }

  getTail(key: string, length: number, signal?: AbortSignal): Promise<{ bytes: Buffer; sizeBytes: number }> {
    return this.#with(key, (full) => this.#store.getTail(full, length, signal));
  }

  delete(key: string): Promise<void> {
    return this.#with(key, (full) => this.#store.delete(full));
  }

  async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    const fullStart = startAfter === undefined ? undefined : this.#prefix + startAfter;
    for await (const { key, sizeBytes } of this.#store.list(this.#prefix + prefix, fullStart)) {
      if (!key.startsWith(this.#prefix)) {
        throw new LokiError('internal', `${key} was listed by another prefix`);
      }
      yield { key: key.slice(this.#prefix.length), sizeBytes };
    }
  }

  /** Checks the key without the prefix, so that `..` or an empty key is never used. */
  async #with<T>(key: string, action: (full: string) => Promise<T>): Promise<T> {
    checkKey(key);
    return action(this.#prefix + key);
  }
}
