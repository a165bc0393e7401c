/** The index of a cache on local disk, in memory that all threads of the process share. */
import { createHash } from 'node:crypto';

/** Buffers of an index, to be handed to another thread. */
export interface DiskCacheMemory {
  readonly control: SharedArrayBuffer;
  readonly files: SharedArrayBuffer;
  readonly entries: SharedArrayBuffer;
  readonly ghosts: SharedArrayBuffer;
  /** Wall time that times of use count from, Unix ms. */
  readonly epochMs: number;
  readonly bytesMax: number;
}

/** An object's key in the index: 96 bits of its SHA-256. */
export type KeyHash = readonly [number, number, number];

export function hashKey(key: string): KeyHash {
  const digest = createHash('sha256').update(key).digest();
  return [digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8)];
}

/** One range of an object, and its place in a file of the cache. */
export interface RangeEntry {
  readonly key: KeyHash;
  /** Offset in the object; `tailOffset`: its tail. */
  readonly offset: number;
  readonly storedBytes: number;
  readonly checksum: number;
  /** Position in the file. */
  readonly position: number;
}

/** Stands for the offset of a tail, which is not known before it is read. */
export const tailOffset = -1;

/** Place of an entry: the slot of its file, and the file's generation in the slot. */
export interface RangePlace extends RangeEntry {
  readonly slot: number;
  readonly generation: number;
}

/** A file's name: two numbers of 32 bits. */
export type FileId = readonly [number, number];

export function fileName([high, low]: FileId): string {
  return [high, low].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
}

/** Undefined: not the name of a file of the cache. */
export function fileIdOf(name: string): FileId | undefined {
  if (!/^[0-9a-f]{16}$/.test(name)) return undefined;
  return [parseInt(name.slice(0, 8), 16) | 0, parseInt(name.slice(8), 16) | 0];
}

const filesMax = 16_384;
/** The index has room for entries of this size on average. Small columns of a block take some 8 KiB. */
const entryBytesAssumed = 12 << 10;
const entriesLeast = 4_096;
const entriesMost = 4 << 20;
/** Entries of one bucket. A full bucket drops the entry whose file was idle for longest. */
const bucketEntries = 8;
const ghostsMax = 1 << 17;

const control = { isOff: 0, isFull: 1, oldestUse: 2 } as const;
const fileFields = { generation: 0, usedAt: 1, idHigh: 2, idLow: 3, count: 4 } as const;
const entryFields = {
  generation: 0,
  slot: 1,
  key: 2,
  offsetHigh: 5,
  offsetLow: 6,
  storedBytes: 7,
  checksum: 8,
  position: 9,
  count: 10,
} as const;
/** Uses of one range within this time are one use: panels read side by side. In tenths of a second. */
const oneUse = 20;

/**
 * Entries by key and offset, and files with the time of their last use. One thread writes entries; all others
 * read them without a lock: a value that changes during the read fails the reader's checks.
 *
 * A full cache drops the file that was idle for longest, but admits a new range only when the range's own
 * last two uses lie closer together than that file has been idle. So a scan over more data than the cache
 * holds changes nothing, and data that is no longer read is replaced by data that is.
 */
export class DiskCacheIndex {
  readonly memory: DiskCacheMemory;
  readonly #control: Int32Array;
  readonly #files: Int32Array;
  readonly #entries: Int32Array;
  /** Pairs: hash of a missing range, and time of the request. */
  readonly #ghosts: Int32Array;
  readonly #buckets: number;

  constructor(memory: DiskCacheMemory) {
    this.memory = memory;
    this.#control = new Int32Array(memory.control);
    this.#files = new Int32Array(memory.files);
    this.#entries = new Int32Array(memory.entries);
    this.#ghosts = new Int32Array(memory.ghosts);
    this.#buckets = this.#entries.length / entryFields.count / bucketEntries;
  }

  static make(bytesMax: number, epochMs: number): DiskCacheIndex {
    const entriesTarget = Math.min(
      entriesMost,
      Math.max(entriesLeast, Math.ceil(bytesMax / entryBytesAssumed)),
    );
    const entries = Math.ceil(entriesTarget / bucketEntries) * bucketEntries;
    const ghosts = Math.min(ghostsMax, entries);
    return new DiskCacheIndex({
      control: new SharedArrayBuffer(16),
      files: new SharedArrayBuffer(filesMax * fileFields.count * 4),
      entries: new SharedArrayBuffer(entries * entryFields.count * 4),
      ghosts: new SharedArrayBuffer(ghosts * 8),
      epochMs,
      bytesMax,
    });
  }

  /** Tenths of a second since the epoch. */
  timeOf(nowMs: number): number {
    return Math.max(1, Math.floor((nowMs - this.memory.epochMs) / 100) + 1) | 0;
  }

  get isOff(): boolean {
    return Atomics.load(this.#control, control.isOff) === 1;
  }

  /** Switches the cache off for all threads, until the process ends. True: it was on. */
  turnOff(): boolean {
    return Atomics.exchange(this.#control, control.isOff, 1) === 0;
  }

  // ---- readers

  find(key: KeyHash, offset: number): RangePlace | undefined {
    const first = this.#bucketOf(key, offset);
    for (let i = 0; i < bucketEntries; i++) {
      const place = this.#place(first + i * entryFields.count);
      const isFile = place && this.generation(place.slot) === place.generation;
      if (isFile && isSame(place, key, offset)) return place;
    }
    return undefined;
  }

  /** The generation of the slot's file; changes when the file is removed. */
  generation(slot: number): number {
    return Atomics.load(this.#files, slot * fileFields.count + fileFields.generation);
  }

  fileId(slot: number): FileId {
    const at = slot * fileFields.count;
    return [this.#files[at + fileFields.idHigh], this.#files[at + fileFields.idLow]];
  }

  used(slot: number, time: number): void {
    Atomics.store(this.#files, slot * fileFields.count + fileFields.usedAt, time);
  }

  /** Whether a missing range should be written. Records the request. */
  admits(key: KeyHash, offset: number, time: number): boolean {
    const mixed = mix(key, offset);
    const at = ((mixed >>> 0) % (this.#ghosts.length / 2)) * 2;
    const tag = key[2] ^ (offset | 0);
    const [seenTag, seenAt] = [this.#ghosts[at], this.#ghosts[at + 1]];
    const isKnown = seenTag === tag && seenAt > 0;
    const distance = isKnown ? time - seenAt : Infinity;
    if (!isKnown || distance >= oneUse) {
      this.#ghosts[at] = tag;
      this.#ghosts[at + 1] = time;
    }
    if (Atomics.load(this.#control, control.isFull) === 0) return true;
    return distance >= oneUse && distance < time - Atomics.load(this.#control, control.oldestUse);
  }

  // ---- the owner

  /** A slot without a file; undefined: all slots are in use. */
  freeSlot(): number | undefined {
    for (let slot = 0; slot < filesMax; slot++) if (this.generation(slot) <= 0) return slot;
    return undefined;
  }

  /** Gives a slot to a file. */
  addFile(slot: number, id: FileId, time: number): void {
    const at = slot * fileFields.count;
    this.#files[at + fileFields.idHigh] = id[0];
    this.#files[at + fileFields.idLow] = id[1];
    this.used(slot, time);
    // Free slots hold the last generation, negative.
    Atomics.store(this.#files, at + fileFields.generation, 1 - this.generation(slot));
  }

  /** Invalidates the entries of its file. */
  removeFile(slot: number): void {
    Atomics.store(this.#files, slot * fileFields.count + fileFields.generation, -this.generation(slot));
  }

  usedAt(slot: number): number {
    return Atomics.load(this.#files, slot * fileFields.count + fileFields.usedAt);
  }

  add(slot: number, entry: RangeEntry): void {
    const first = this.#bucketOf(entry.key, entry.offset);
    let target = -1;
    let oldest = Infinity;
    for (let i = 0; i < bucketEntries; i++) {
      const at = first + i * entryFields.count;
      const place = this.#place(at);
      if (place && isSame(place, entry.key, entry.offset)) {
        target = at;
        break;
      }
      const isStale = !place || this.generation(place.slot) !== place.generation;
      const usedAt = isStale ? -Infinity : this.usedAt(place.slot);
      if (usedAt < oldest) [target, oldest] = [at, usedAt];
    }
    const { key, offset, storedBytes, checksum, position } = entry;
    const to = this.#entries;
    Atomics.store(to, target + entryFields.generation, 0);
    to[target + entryFields.slot] = slot;
    for (let i = 0; i < 3; i++) to[target + entryFields.key + i] = key[i];
    to[target + entryFields.offsetHigh] = Math.floor(offset / 2 ** 32);
    to[target + entryFields.offsetLow] = offset | 0;
    to[target + entryFields.storedBytes] = storedBytes;
    to[target + entryFields.checksum] = checksum | 0;
    to[target + entryFields.position] = position;
    Atomics.store(to, target + entryFields.generation, this.generation(slot));
  }

  /** @param oldestUse last use of the file that is dropped next */
  tellRoom(isFull: boolean, oldestUse: number): void {
    Atomics.store(this.#control, control.oldestUse, oldestUse);
    Atomics.store(this.#control, control.isFull, isFull ? 1 : 0);
  }

  #place(at: number): RangePlace | undefined {
    const from = this.#entries;
    const generation = Atomics.load(from, at + entryFields.generation);
    if (generation <= 0) return undefined;
    const high = from[at + entryFields.offsetHigh];
    const place = {
      key: [
        from[at + entryFields.key],
        from[at + entryFields.key + 1],
        from[at + entryFields.key + 2],
      ] as const,
      offset: high * 2 ** 32 + (from[at + entryFields.offsetLow] >>> 0),
      storedBytes: from[at + entryFields.storedBytes],
      checksum: from[at + entryFields.checksum] >>> 0,
      position: from[at + entryFields.position],
      slot: from[at + entryFields.slot],
      generation,
    };
    return Atomics.load(from, at + entryFields.generation) === generation ? place : undefined;
  }

  #bucketOf(key: KeyHash, offset: number): number {
    return ((mix(key, offset) >>> 0) % this.#buckets) * bucketEntries * entryFields.count;
  }
}

function isSame(entry: RangeEntry, key: KeyHash, offset: number): boolean {
  return (
    entry.offset === offset && entry.key[0] === key[0] && entry.key[1] === key[1] && entry.key[2] === key[2]
  );
}

function mix(key: KeyHash, offset: number): number {
  let mixed = Math.imul(offset | 0, 0x9e37_79b1) ^ key[0] ^ Math.floor(offset / 2 ** 32);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16) ^ key[1];
}
