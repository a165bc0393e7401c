/** Reads and writes of the cache on local disk by one thread: step *fetch* of a query. */
import { crc32c } from '@loki/bytes';
import { hasCode } from '@loki/model';
import type {
  CheckedRange,
  Clock,
  Disk,
  ObjectTail,
  Random,
  RangeCache,
  TimerHandle,
  Timers,
} from '@loki/ports';
import type { DiskCacheLookups } from '@loki/telemetry';
import { encodeFile, fileBytesOf } from './disk-cache-file.ts';
import type { NewRange } from './disk-cache-file.ts';
import { fileName, hashKey, tailOffset } from './disk-cache-index.ts';
import type { DiskCacheIndex, FileId, RangeEntry, RangePlace } from './disk-cache-index.ts';
import { inOneRead } from './located-range.ts';
import type { LocatedRange } from './located-range.ts';
import { OpenFiles } from './open-files.ts';
import { PendingFile } from './pending-file.ts';

/** Events of the cache that a thread reports to the one thread that owns its index. */
export interface DiskCacheReports {
  /** A file is on disk, and may be read. */
  written(file: {
    readonly id: FileId;
    readonly bytes: number;
    readonly entries: readonly RangeEntry[];
  }): void;
  /** A file returned bytes with a wrong checksum. */
  damaged(file: { readonly slot: number; readonly generation: number }): void;
  lookedUp(lookups: DiskCacheLookups): void;
  /** The disk failed: the cache is off for all threads. */
  failed(reason: string): void;
}

interface DiskCacheDeps {
  readonly index: DiskCacheIndex;
  readonly disk: Disk;
  readonly reports: DiskCacheReports;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Milliseconds that a read from disk may take: the store's usual time for a read. */
  readonly patienceMs: () => number;
}

/**
 * Ranges up to this size are written to separate files: footers and small columns are useful for longer than
 * lines.
 */
const smallBytesMax = 32 << 10;
/** A file is written when it holds this many bytes, or after a while. A cache is 32 files at least. */
const newFileBytesMax = 4 << 20;
const filesLeast = 32;
const writeAfterMs = 1_000;
/** Maximum of bytes that wait to be written; further ranges are not cached. */
const writingBytesMax = 16 << 20;
const openFilesMax = 32;

/** Consecutive late reads after which the disk counts as too slow. */
const lateReadsMax = 32;
/**
 * The deadline of a read consists of this number of timers. A thread that computes for longer than the
 * deadline would otherwise count its own time as the disk's: it finds the timer due although the bytes
 * arrived long ago.
 */
const patienceParts = 8;

/**
 * One thread's reads and writes of cached ranges. Each thread has its own object, over one shared index.
 */
export class DiskCache implements RangeCache {
  readonly #deps: DiskCacheDeps;
  readonly #files: OpenFiles;
  readonly #small: PendingFile;
  readonly #large: PendingFile;
  #writingBytes = 0;
  #lateInRow = 0;
  #lookups = noLookups();
  #timer: TimerHandle | undefined;

  constructor(deps: DiskCacheDeps) {
    this.#deps = deps;
    this.#files = new OpenFiles(deps.disk, openFilesMax);
    const fileBytesMax = Math.min(newFileBytesMax, Math.floor(deps.index.memory.bytesMax / filesLeast));
    this.#small = new PendingFile(fileBytesMax);
    this.#large = new PendingFile(fileBytesMax);
  }

  async read(key: string, ranges: readonly CheckedRange[]): Promise<readonly (Buffer | undefined)[]> {
    const { index } = this.#deps;
    const none = ranges.map(() => undefined);
    if (index.isOff || ranges.length === 0) return none;
    const hash = hashKey(key);
    const places = ranges.map(({ offset, storedBytes, checksum }) => {
      const place = index.find(hash, offset);
      return place?.storedBytes === storedBytes && place.checksum === checksum ? place : undefined;
    });
    return this.#read(places);
  }

  write(key: string, ranges: readonly (CheckedRange & { readonly bytes: Uint8Array })[]): void {
    const { index, clock } = this.#deps;
    if (index.isOff || ranges.length === 0) return;
    const hash = hashKey(key);
    const time = index.timeOf(clock.nowMs());
    for (const { offset, storedBytes, checksum, bytes } of ranges) {
      if (!index.admits(hash, offset, time) || index.find(hash, offset)) continue;
      this.#add({ key: hash, offset, storedBytes, checksum, bytes });
    }
  }

  async readTail(key: string): Promise<ObjectTail | undefined> {
    const { index } = this.#deps;
    if (index.isOff) return undefined;
    const [bytes] = await this.#read([index.find(hashKey(key), tailOffset)]);
    return bytes && { sizeBytes: bytes.readDoubleLE(0), bytes: bytes.subarray(8) };
  }

  writeTail(key: string, { bytes, sizeBytes }: ObjectTail): void {
    const { index, clock } = this.#deps;
    const hash = hashKey(key);
    if (index.isOff || !index.admits(hash, tailOffset, index.timeOf(clock.nowMs()))) return;
    const stored = Buffer.alloc(8 + bytes.length);
    stored.writeDoubleLE(sizeBytes);
    stored.set(bytes, 8);
    const range = { key: hash, offset: tailOffset, storedBytes: stored.length, checksum: crc32c(stored) };
    this.#add({ ...range, bytes: stored });
  }

  /** Writes all pending ranges. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#report();
    await Promise.all([this.#writeFile(this.#small), this.#writeFile(this.#large)]);
  }

  // ---- reading

  async #read(places: readonly (RangePlace | undefined)[]): Promise<(Buffer | undefined)[]> {
    const result: (Buffer | undefined)[] = places.map(() => undefined);
    const located = places.flatMap((place, i) => (place ? [{ place, i }] : []));
    this.#lookups.misses += places.length - located.length;
    if (located.length > 0) await this.#readPlaces(located, result);
    this.#planTimer();
    return result;
  }

  async #readPlaces(located: readonly LocatedRange[], result: (Buffer | undefined)[]): Promise<void> {
    let isOver = false;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const partMs = this.#deps.patienceMs() / patienceParts;
    const wait = (parts: number): TimerHandle =>
      this.#deps.timers.after(partMs, () => {
        if (parts === 1) resolve();
        else if (!isOver) timer = wait(parts - 1);
      });
    let timer = wait(patienceParts);
    let unanswered = located.length;
    const reads = inOneRead(located).map(async (group) => {
      const bytes = await this.#readGroup(group);
      if (isOver) return;
      unanswered -= group.length;
      group.forEach(({ i }, at) => (result[i] = bytes[at]));
    });
    await Promise.race([Promise.all(reads), late]);
    isOver = true;
    timer.cancel();
    for (const { i } of located) {
      const bytes = result[i];
      this.#lookups.hits += bytes ? 1 : 0;
      this.#lookups.hitBytes += bytes?.length ?? 0;
    }
    this.#lookups.late += unanswered;
    this.#lateInRow = unanswered === 0 ? 0 : this.#lateInRow + 1;
    if (this.#lateInRow >= lateReadsMax) {
      this.#fail(`${lateReadsMax} reads in a row came later than from the store`);
    }
  }

  /** Reads neighbouring ranges of one file; undefined for a range with a wrong checksum. */
  async #readGroup(group: readonly LocatedRange[]): Promise<(Buffer | undefined)[]> {
    const { index, clock } = this.#deps;
    const { slot, generation, position: start } = group[0].place;
    const name = fileName(index.fileId(slot));
    const end = Math.max(...group.map(({ place }) => place.position + place.storedBytes));
    try {
      const bytes = await this.#files.use(name, (file) => file.read(start, end - start));
      index.used(slot, index.timeOf(clock.nowMs()));
      return group.map(({ place }) => this.#checked(place, bytes, place.position - start, group.length > 1));
    } catch (error) {
      // The file was dropped in between.
      if (index.generation(slot) !== generation) return group.map(() => undefined);
      if (hasCode(error, 'ENOENT')) this.#tellDamage(group[0].place);
      else this.#fail(`reading: ${textOf(error)}`);
      return group.map(() => undefined);
    }
  }

  #checked(place: RangePlace, bytes: Buffer, at: number, isPart: boolean): Buffer | undefined {
    const { storedBytes, checksum } = place;
    const part = bytes.subarray(at, at + storedBytes);
    if (part.length === storedBytes && crc32c(part) === checksum) {
      // Copies a small column, because a view would keep the whole read in memory.
      return isPart ? Buffer.from(part) : part;
    }
    if (this.#deps.index.generation(place.slot) === place.generation) this.#tellDamage(place);
    return undefined;
  }

  #tellDamage({ slot, generation }: RangePlace): void {
    this.#lookups.damaged++;
    this.#files.forget(fileName(this.#deps.index.fileId(slot)));
    this.#deps.reports.damaged({ slot, generation });
  }

  // ---- writing

  #add(range: NewRange): void {
    const pending = range.storedBytes <= smallBytesMax ? this.#small : this.#large;
    if (fileBytesOf(1, range.storedBytes) > pending.bytesMax) return;
    if (!pending.fits(range)) void this.#writeFile(pending);
    pending.add(range);
    this.#planTimer();
  }

  async #writeFile(pending: PendingFile): Promise<void> {
    const ranges = pending.take();
    const { index, disk, random, reports } = this.#deps;
    if (ranges.length === 0 || index.isOff || this.#writingBytes >= writingBytesMax) return;
    const id: FileId = [random.uint32() | 0, random.uint32() | 0];
    const { bytes, entries } = encodeFile(ranges);
    this.#writingBytes += bytes.length;
    try {
      const file = await disk.open(fileName(id), { create: true });
      try {
        await file.append(bytes);
      } finally {
        await file.close();
      }
      reports.written({ id, bytes: bytes.length, entries });
    } catch (error) {
      this.#fail(`writing: ${textOf(error)}`);
      await disk.remove(fileName(id)).catch(() => undefined); // the next start deletes the incomplete file
    } finally {
      this.#writingBytes -= bytes.length;
    }
  }

  #planTimer(): void {
    this.#timer ??= this.#deps.timers.after(writeAfterMs, () => void this.flush());
  }

  #report(): void {
    if (Object.values(this.#lookups).some((count) => count > 0)) this.#deps.reports.lookedUp(this.#lookups);
    this.#lookups = noLookups();
  }

  #fail(reason: string): void {
    if (this.#deps.index.turnOff()) this.#deps.reports.failed(reason);
  }
}

function noLookups(): DiskCacheLookups {
  return { hits: 0, misses: 0, late: 0, damaged: 0, hitBytes: 0 };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
