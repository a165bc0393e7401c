/** A cache of open files, for ranged reads. */
import type { Disk, DiskFile } from '@loki/ports';

interface OpenFile {
  readonly file: Promise<DiskFile>;
  users: number;
  isForgotten: boolean;
}

/**
 * Files that stay open between reads. The least recently used is closed first; a file in use is closed after
 * its last reader.
 */
export class OpenFiles {
  readonly #disk: Disk;
  readonly #filesMax: number;
  /** Most recently used last. */
  readonly #files = new Map<string, OpenFile>();

  constructor(disk: Disk, filesMax: number) {
    this.#disk = disk;
    this.#filesMax = filesMax;
  }

  async use<T>(path: string, action: (file: DiskFile) => Promise<T>): Promise<T> {
    const open = this.#files.get(path) ?? { file: this.#disk.open(path), users: 0, isForgotten: false };
    this.#files.delete(path);
    this.#files.set(path, open);
    open.users++;
    this.#evict();
    try {
      return await action(await open.file);
    } catch (error) {
      this.#drop(path, open);
      throw error;
    } finally {
      open.users--;
      this.#closeIfDone(open);
    }
  }

  /** Drops the path, because it names another file or none now. */
  forget(path: string): void {
    const open = this.#files.get(path);
    if (open) this.#drop(path, open);
    if (open) this.#closeIfDone(open);
  }

  /** Forgets all files: those in use are closed after their last reader, the others at once. */
  clear(): void {
    for (const path of this.#files.keys()) this.forget(path);
  }

  #evict(): void {
    if (this.#files.size <= this.#filesMax) return;
    const [path, oldest] = this.#files.entries().next().value!;
    this.#drop(path, oldest);
    this.#closeIfDone(oldest);
  }

  #drop(path: string, open: OpenFile): void {
    open.isForgotten = true;
    if (this.#files.get(path) === open) this.#files.delete(path);
  }

  #closeIfDone(open: OpenFile): void {
    if (!open.isForgotten || open.users > 0) return;
    open.users = Number.NEGATIVE_INFINITY; // closed once
    // A failure to open rejects the call of `use`. A failure to close loses nothing: the file was only read.
    open.file.then((file) => file.close()).catch(() => undefined);
  }
}
