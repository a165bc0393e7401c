/**
 * Objects as files of a directory: the store of one process, or of several where the file system has
 * hard links.
 */
import { randomBytes } from 'node:crypto';
import { hasCode, LokiError } from '@loki/model';
import type { Disk, ObjectInfo, ObjectStore, Random } from '@loki/ports';
import { checkKey, checkPrefix, checkRange, notFound } from './keys.ts';
import { OpenFiles } from './open-files.ts';

interface FilesystemObjectStoreOptions {
  /** A directory for objects only. Several processes may share it if its file system has hard links. */
  readonly disk: Disk;
  /** Names temporary files; by default the system's. */
  readonly random?: Random;
  /** Most open files for ranged reads. Default 64. */
  readonly openFilesMax?: number;
}

/** Suffix of the file of each object. No key contains it, so `a` and `a/b` can both be objects. */
const objectSuffix = '~';
/** Directory of objects before they get their names. No part of a key begins like this. */
const temporaryDirectory = '~tmp';
/** Maximum of cached names of existing directories. */
const directoriesMax = 10_000;
/** Ranges up to this are read without a check of the object's size. */
const unmeasuredBytesMax = 8 << 20;
/** Attempts of a put: a starting process may remove its temporary file. */
const putAttemptsMax = 3;

/**
 * Objects as files. An object appears under its name complete and durable, or not at all: written to a
 * temporary file, synced, then renamed (put) or linked (create-if-absent), then the directory synced.
 */
export class FilesystemObjectStore implements ObjectStore {
  readonly #disk: Disk;
  readonly #randomName: () => string;
  readonly #openFiles: OpenFiles;
  readonly #directories = new Set<string>();

  constructor(options: FilesystemObjectStoreOptions) {
    const { disk, random } = options;
    this.#disk = disk;
    this.#randomName = () => Buffer.from(random ? random.bytes(12) : randomBytes(12)).toString('hex');
    this.#openFiles = new OpenFiles(disk, options.openFilesMax ?? 64);
  }

  /** Opens the store and removes files of unfinished puts; running processes repeat theirs. */
  static async open(options: FilesystemObjectStoreOptions): Promise<FilesystemObjectStore> {
    const store = new FilesystemObjectStore(options);
    await options.disk.makeDirectory('');
    await store.removeLeftovers();
    return store;
  }

  /** Deletes files of unfinished puts. */
  async removeLeftovers(): Promise<void> {
    for (const name of await this.#disk.list(temporaryDirectory)) {
      await this.#disk.remove(`${temporaryDirectory}/${name}`);
    }
  }

  /** Closes the files kept open. The store can still be used. */
  close(): void {
    this.#openFiles.clear();
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkKey(key);
    const path = pathOf(key);
    await this.#withTemporary(key, bytes, signal, async (temporary) => {
      await this.#disk.rename(temporary, path);
      await this.#disk.syncDirectory(parentOf(path));
    });
    this.#openFiles.forget(path);
  }

  async putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    checkKey(key);
    const path = pathOf(key);
    return this.#withTemporary(key, bytes, signal, async (temporary) => {
      let isCreated = true;
      try {
        await this.#disk.link(temporary, path);
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
        isCreated = false;
      }
      // Also if another process created it: the caller relies on the name being durable.
      await this.#disk.syncDirectory(parentOf(path));
      await this.#disk.remove(temporary);
      return isCreated;
    });
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer> {
    checkKey(key);
    signal?.throwIfAborted();
    return this.#translate(key, async () => {
      // Does not use the open files: another process may have replaced the object.
      const file = await this.#disk.open(pathOf(key));
      try {
        return await file.read(0, await file.size());
      } finally {
        await file.close();
      }
    });
  }

  async getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    checkKey(key);
    checkRange(offset, length);
    signal?.throwIfAborted();
    return this.#translate(key, () =>
      this.#openFiles.use(pathOf(key), async (file) => {
        // A read allocates the requested bytes; a column's range lies inside its object.
        if (length <= unmeasuredBytesMax) return file.read(offset, length);
        const size = await file.size();
        return file.read(offset, Math.max(0, Math.min(length, size - offset)));
      }),
    );
  }

  async getTail(
    key: string,
    length: number,
    signal?: AbortSignal,
  ): Promise<{ bytes: Buffer; sizeBytes: number }> {
    checkKey(key);
    checkRange(0, length);
    signal?.throwIfAborted();
    return this.#translate(key, () =>
      this.#openFiles.use(pathOf(key), async (file) => {
        const sizeBytes = await file.size();
        const count = Math.min(length, sizeBytes);
        return { bytes: await file.read(sizeBytes - count, count), sizeBytes };
      }),
    );
  }

  async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    const directory = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    for await (const key of this.#keysBelow(directory, prefix, startAfter ?? '')) {
      const sizeBytes = await this.#sizeOf(key);
      if (sizeBytes !== undefined) yield { key, sizeBytes };
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.#translate(key, () => this.#disk.remove(pathOf(key)));
    this.#openFiles.forget(pathOf(key));
  }

  /**
   * Keys below a directory ('' or ending in '/'), in byte order; one directory's names in memory at a time
   * and level.
   */
  async *#keysBelow(directory: string, prefix: string, startAfter: string): AsyncIterable<string> {
    const names = await this.#translate(directory, () => this.#disk.list(directory.slice(0, -1)));
    const items: string[] = [];
    for (const name of names) {
      if (isObjectName(name)) items.push(directory + name.slice(0, -objectSuffix.length));
      else if (!name.includes(objectSuffix)) items.push(`${directory}${name}/`);
    }
    // With its '/' a directory sorts among the keys as all keys below it do.
    for (const item of items.sort()) {
      if (item.endsWith('/')) {
        const mayMatch = item.startsWith(prefix) || prefix.startsWith(item);
        const isPast = item < startAfter && !startAfter.startsWith(item);
        if (mayMatch && !isPast) yield* this.#keysBelow(item, prefix, startAfter);
      } else if (item.startsWith(prefix) && item > startAfter) {
        yield item;
      }
    }
  }

  /** undefined: deleted since it was listed. */
  async #sizeOf(key: string): Promise<number | undefined> {
    try {
      const file = await this.#disk.open(pathOf(key));
      try {
        return await file.size();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw unavailable(key, error);
    }
  }

  /** Writes `bytes` durably to a temporary file and hands its path to `finish`, which gives it its name. */
  async #withTemporary<T>(
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    finish: (temporary: string) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const temporary = `${temporaryDirectory}/${this.#randomName()}`;
      try {
        await this.#ensureDirectory(temporaryDirectory);
        await this.#ensureDirectory(parentOf(pathOf(key)));
        const file = await this.#disk.open(temporary, { create: true });
        try {
          signal?.throwIfAborted();
          await file.append(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        signal?.throwIfAborted();
        return await finish(temporary);
      } catch (error) {
        await this.#disk.remove(temporary).catch(() => undefined); // the next start removes it otherwise
        if (signal?.aborted) throw signal.reason;
        if (!hasCode(error, 'ENOENT') || attempt >= putAttemptsMax) throw unavailable(key, error);
        this.#directories.clear();
      }
    }
  }

  async #ensureDirectory(directory: string): Promise<void> {
    if (this.#directories.has(directory)) return;
    await this.#disk.makeDirectory(directory);
    if (this.#directories.size >= directoriesMax) this.#directories.clear();
    this.#directories.add(directory);
  }

  async #translate<T>(key: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw notFound(key);
      throw unavailable(key, error);
    }
  }
}

function pathOf(key: string): string {
  return key + objectSuffix;
}

function isObjectName(name: string): boolean {
  return name.length > 1 && name.indexOf(objectSuffix) === name.length - 1;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function unavailable(key: string, cause: unknown): LokiError {
  const reason = typeof cause === 'object' && cause !== null && 'message' in cause ? cause.message : cause;
  return new LokiError('unavailable', `object store: ${key}: ${String(reason)}`, { cause });
}
