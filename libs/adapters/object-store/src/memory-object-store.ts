/** Objects in memory. */
import type { ObjectInfo, ObjectStore } from '@loki/ports';
import { checkKey, checkPrefix, checkRange, notFound } from './keys.ts';

/** A store in memory, for tests and processes without persistent data. */
export class MemoryObjectStore implements ObjectStore {
  readonly #objects = new Map<string, Buffer>();

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    this.#objects.set(key, Buffer.from(bytes));
  }

  async putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted();
    checkKey(key);
    if (this.#objects.has(key)) return false;
    this.#objects.set(key, Buffer.from(bytes));
    return true;
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer> {
    return Buffer.from(this.#object(key, signal));
  }

  async getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    checkRange(offset, length);
    return Buffer.from(this.#object(key, signal).subarray(offset, offset + length));
  }

  async getTail(
    key: string,
    length: number,
    signal?: AbortSignal,
  ): Promise<{ bytes: Buffer; sizeBytes: number }> {
    checkRange(0, length);
    const object = this.#object(key, signal);
    const bytes = Buffer.from(object.subarray(Math.max(0, object.length - length)));
    return { bytes, sizeBytes: object.length };
  }

  async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    const keys = [...this.#objects.keys()].filter(
      (key) => key.startsWith(prefix) && (startAfter === undefined || key > startAfter),
    );
    // Keys are ASCII: the order of strings is the order of bytes.
    for (const key of keys.sort()) {
      const object = this.#objects.get(key);
      if (object) yield { key, sizeBytes: object.length };
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    this.#objects.delete(key);
  }

  #object(key: string, signal: AbortSignal | undefined): Buffer {
    signal?.throwIfAborted();
    checkKey(key);
    const object = this.#objects.get(key);
    if (!object) throw notFound(key);
    return object;
  }
}
