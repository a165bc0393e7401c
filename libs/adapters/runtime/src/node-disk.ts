/** The port Disk on the local file system. */
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { hasCode } from '@loki/model';
import type { Disk, DiskFile } from '@loki/ports';

/**
 * The local file system below one directory, which is created when it is missing.
 *
 * Every path is checked to be relative, without `.`, `..`, empty parts or NUL, so a path cannot leave the
 * root. Symbolic links below the root are followed: writers of that directory are trusted.
 */
export class NodeDisk implements Disk {
  readonly #root: string;

  /** @param root the directory; absolute, or relative to the working directory */
  constructor(root: string) {
    this.#root = resolve(root);
  }

  async open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<DiskFile> {
    const access = options?.readOnly ? constants.O_RDONLY : constants.O_RDWR;
    const flags = access | (options?.create ? constants.O_CREAT : 0);
    const handle = await open(this.#resolve(path), flags, 0o640);
    return new NodeDiskFile(handle);
  }

  async list(directory: string): Promise<string[]> {
    try {
      const names = await readdir(this.#resolve(directory));
      return names.sort();
    } catch (error) {
      // A plain file among the directories, for example a lock, has no entries.
      if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return [];
      throw error;
    }
  }

  async makeDirectory(path: string): Promise<void> {
    const target = this.#resolve(path);
    const firstMade = await mkdir(target, { recursive: true, mode: 0o750 });
    if (firstMade === undefined) return;
    // Each new directory is an entry of its parent, which is durable only after the parent is synced.
    for (let directory = target; ; directory = dirname(directory)) {
      await syncPath(dirname(directory));
      if (directory === firstMade) return;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#resolve(from), this.#resolve(to));
  }

  async link(from: string, to: string): Promise<void> {
    await link(this.#resolve(from), this.#resolve(to));
  }

  async remove(path: string): Promise<void> {
    if (path === '') throw new TypeError('the root of a disk cannot be removed');
    await rm(this.#resolve(path), { force: true, recursive: true });
  }

  async syncDirectory(directory: string): Promise<void> {
    await syncPath(this.#resolve(directory));
  }

  /** The absolute path of `path`; '' is the root itself. */
  #resolve(path: string): string {
    if (path === '') return this.#root;
    for (const part of path.split('/')) {
      if (part === '' || part === '.' || part === '..' || part.includes('\0')) {
        throw new TypeError(`not a path within the disk: ${JSON.stringify(path)}`);
      }
    }
    return `${this.#root}/${path}`;
  }
}

class NodeDiskFile implements DiskFile {
  readonly #handle: FileHandle;
  /**
   * Position of the next append; undefined before the first one, and after a failure, which may have written
   * some bytes.
   */
  #end: number | undefined;
  /** The last append. Appends run one after another, because each starts where the last one ended. */
  #last: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  append(bytes: Uint8Array): Promise<void> {
    const appended = this.#last.then(() => this.#write(bytes));
    this.#last = appended.catch(() => undefined); // the caller gets the failure from `done`
    return appended;
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(buffer, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled === length ? buffer : buffer.subarray(0, filled);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async truncate(length: number): Promise<void> {
    this.#end = undefined;
    await this.#handle.truncate(length);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const start = this.#end ?? (await this.size());
    this.#end = undefined;
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await this.#handle.write(
        bytes,
        written,
        bytes.length - written,
        start + written,
      );
      written += bytesWritten;
    }
    this.#end = start + written;
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
