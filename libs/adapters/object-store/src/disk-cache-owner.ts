/** The one thread of a process that decides which files a cache on local disk holds. */
import type { Clock, Disk, Logger } from '@loki/ports';
import type { DiskCacheLookups, DiskCacheObserver } from '@loki/telemetry';
import { decodeTable, fileBytesMax, headerBytes, tableBytesOf } from './disk-cache-file.ts';
import { DiskCacheIndex, fileIdOf, fileName } from './disk-cache-index.ts';
import type { FileId, RangeEntry } from './disk-cache-index.ts';
import type { DiskCacheReports } from './disk-cache.ts';

interface DiskCacheOwnerOptions {
  /** A directory for the cache alone: unknown files in it are deleted. */
  readonly disk: Disk;
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: DiskCacheObserver;
}

interface CachedFile {
  readonly id: FileId;
  readonly bytes: number;
}

/** Number of files with wrong bytes after which the cache is switched off. */
const damagesMax = 8;
/** Files read side by side at the start. */
const loadsAtOnce = 16;
/**
 * Share of the bound at which readers see the cache as full: the rest is for files that are being written.
 */
const fullShare = 15 / 16;

/**
 * Holds the files within the bound, and keeps the index that all threads read. Readers verify checksums, so
 * files need no sync, and a crash at any moment only leaves a smaller cache.
 */
export class DiskCacheOwner implements DiskCacheReports {
  readonly index: DiskCacheIndex;
  readonly #options: DiskCacheOwnerOptions;
  /** Files by slot. */
  readonly #files = new Map<number, CachedFile>();
  #bytes = 0;
  #damages = 0;

  constructor(options: DiskCacheOwnerOptions) {
    this.#options = options;
    this.index = DiskCacheIndex.make(options.bytesMax, options.clock.nowMs());
  }

  /** Adopts the intact files of earlier processes. The cache can be used at the same time. */
  async load(): Promise<void> {
    try {
      await this.#options.disk.makeDirectory('');
      const names = await this.#options.disk.list('');
      const work = async (): Promise<void> => {
        for (let name = names.pop(); name !== undefined; name = names.pop()) await this.#loadFile(name);
      };
      await Promise.all(Array.from({ length: loadsAtOnce }, work));
      this.#options.logger.info('disk cache loaded', { files: this.#files.size, bytes: this.#bytes });
    } catch (error) {
      this.failed(`loading: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  written({ id, bytes, entries }: { id: FileId; bytes: number; entries: readonly RangeEntry[] }): void {
    this.#options.observer.wrote(bytes);
    this.#hold({ id, bytes }, entries);
  }

  damaged({ slot, generation }: { readonly slot: number; readonly generation: number }): void {
    if (this.index.generation(slot) !== generation) return;
    const file = this.#files.get(slot)!;
    this.#options.logger.warn('disk cache: a damaged file is deleted', { file: fileName(file.id) });
    this.#drop(slot);
    if (++this.#damages >= damagesMax && this.index.turnOff()) this.failed(`${damagesMax} damaged files`);
  }

  lookedUp(lookups: DiskCacheLookups): void {
    this.#options.observer.lookedUp(lookups);
  }

  failed(reason: string): void {
    this.index.turnOff();
    this.#options.logger.error('disk cache turned off until the next start: reads go to the store', {
      reason,
    });
    this.#options.observer.turnedOff();
  }

  async #loadFile(name: string): Promise<void> {
    const { disk } = this.#options;
    const id = fileIdOf(name);
    const entries = id && (await this.#entriesOf(name));
    if (!entries) {
      // The lock's own file begins with a dot.
      if (!name.startsWith('.')) await disk.remove(name);
      return;
    }
    this.#hold({ id, bytes: entries.sizeBytes }, entries.entries);
  }

  async #entriesOf(name: string): Promise<{ sizeBytes: number; entries: RangeEntry[] } | undefined> {
    const file = await this.#options.disk.open(name, { readOnly: true });
    try {
      const sizeBytes = await file.size();
      if (sizeBytes > fileBytesMax) return undefined;
      const header = await file.read(0, headerBytes);
      const tableBytes = tableBytesOf(header, sizeBytes);
      if (tableBytes === undefined) return undefined;
      const entries = decodeTable(header, await file.read(headerBytes, tableBytes), sizeBytes);
      return entries && { sizeBytes, entries };
    } finally {
      await file.close();
    }
  }

  #hold(file: CachedFile, entries: readonly RangeEntry[]): void {
    const { bytesMax, clock, observer } = this.#options;
    while (this.#files.size > 0 && this.#bytes + file.bytes > bytesMax) this.#evict();
    let slot = this.index.freeSlot();
    if (slot === undefined) {
      this.#evict();
      slot = this.index.freeSlot()!;
    }
    this.#files.set(slot, file);
    this.#bytes += file.bytes;
    this.index.addFile(slot, file.id, this.index.timeOf(clock.nowMs()));
    for (const entry of entries) this.index.add(slot, entry);
    observer.storedBytes(this.#bytes);
    this.#tellRoom();
  }

  #evict(): void {
    const slot = this.#oldest();
    if (slot === undefined) return;
    this.#options.observer.evicted(this.#files.get(slot)!.bytes);
    this.#drop(slot);
  }

  #drop(slot: number): void {
    const { disk, observer } = this.#options;
    const file = this.#files.get(slot)!;
    this.#files.delete(slot);
    this.#bytes -= file.bytes;
    // A reader that misses the file looks the slot up again.
    this.index.removeFile(slot);
    disk
      .remove(fileName(file.id))
      .catch((error: unknown) =>
        this.failed(`deleting: ${error instanceof Error ? error.message : String(error)}`),
      );
    observer.storedBytes(this.#bytes);
    this.#tellRoom();
  }

  #oldest(): number | undefined {
    let oldest: number | undefined;
    for (const slot of this.#files.keys()) {
      if (oldest === undefined || this.index.usedAt(slot) < this.index.usedAt(oldest)) oldest = slot;
    }
    return oldest;
  }

  #tellRoom(): void {
    const oldest = this.#oldest();
    const isFull = this.#bytes > this.#options.bytesMax * fullShare;
    this.index.tellRoom(isFull, oldest === undefined ? 0 : this.index.usedAt(oldest));
  }
}
