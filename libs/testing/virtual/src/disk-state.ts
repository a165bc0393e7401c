/** The files of a virtual disk with faults: torn writes, lost syncs, full disk. */
import { diskError, noDiskFaults } from './disk-faults.ts';
import type { DiskFaults, DiskOperation } from './disk-faults.ts';
import type { Prng } from './prng.ts';

/** A disk writes whole sectors: a torn write ends at a multiple of this. */
const sectorBytes = 512;

/** A file's contents as programs see them, and as they would be after a power failure. */
export class Inode {
  cache: Buffer = Buffer.alloc(0);
  saved: Buffer = Buffer.alloc(0);
  /** Ranges of `cache` that no fsync has saved yet. */
  dirty: { start: number; end: number }[] = [];
}

/** A change of names that no directory sync has made durable; `undefined`: the name is removed. */
interface NameChange {
  readonly names: readonly { readonly path: string; readonly inode: Inode | undefined }[];
}

/**
 * A disk in memory that outlives processes and loses data at `crash` as real ones do: unsynced bytes survive
 * in whole, in part or not at all, sector by sector; unsynced changes of directories survive one by one. The
 * seed decides.
 */
export class DiskState {
  readonly random: Prng;
  faults: DiskFaults = { ...noDiskFaults };
  /** Called before each operation, which fails with the error that it throws. For faults at exact moments. */
  onOperation: ((operation: DiskOperation) => void) | undefined;
  #names = new Map<string, Inode>();
  #savedNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  #directories = new Set<string>(['']);
  /** Rises at each crash: older handles are dead. */
  #generation = 0;

  constructor(random: Prng) {
    this.random = random;
  }

  /** A power failure. Open files are dead; the surviving bytes are the disk's content from now on. */
  crash(): void {
    this.#generation++;
    const luck = this.random.pick([0, 0.5, 0.9, 1]);
    for (const change of this.#changes) if (this.random.chance(luck)) apply(this.#savedNames, change);
    this.#changes = [];
    this.#names = new Map(this.#savedNames);
    for (const inode of new Set(this.#names.values())) this.#tear(inode);
  }

  get generation(): number {
    return this.#generation;
  }

  /** Bytes in files. */
  get usedBytes(): number {
    let used = 0;
    for (const inode of new Set(this.#names.values())) used += inode.cache.length;
    return used;
  }

  /** All paths of files, sorted. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** A file's bytes as programs see them. */
  bytesOf(path: string): Buffer {
    return Buffer.from(this.inode(path).cache);
  }

  /** Stores a file durably, as if by another program: for cuts and bit flips. */
  place(path: string, bytes: Uint8Array): void {
    const inode = new Inode();
    inode.cache = Buffer.from(bytes);
    inode.saved = Buffer.from(bytes);
    this.#names.set(path, inode);
    this.#savedNames.set(path, inode);
    const parts = path.split('/');
    for (let i = 1; i < parts.length; i++) this.#directories.add(parts.slice(0, i).join('/'));
  }

  /** Gives `copy` the same durable files and directories. */
  protected copyTo(copy: DiskState): void {
    for (const path of this.paths()) copy.place(path, this.bytesOf(path));
    for (const directory of this.#directories) copy.#directories.add(directory);
  }

  // ---- what clients do

  begin(operation: DiskOperation): void {
    this.onOperation?.(operation);
    const { faults } = this;
    const { kind, path } = operation;
    const isChange = kind !== 'append' && kind !== 'sync' && kind !== 'read';
    const odds = isChange ? faults.changeError : kind === 'read' ? faults.readError : 0;
    if (this.random.chance(odds)) throw diskError('EIO', kind, path);
  }

  inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (!inode) throw diskError('ENOENT', 'open', path);
    return inode;
  }

  has(path: string): boolean {
    return this.#names.has(path);
  }

  create(path: string): Inode {
    const directory = parentOf(path);
    if (!this.#directories.has(directory)) throw diskError('ENOENT', 'create', path);
    const inode = new Inode();
    this.#change([{ path, inode }]);
    return inode;
  }

  list(directory: string): string[] {
    const prefix = directory === '' ? '' : `${directory}/`;
    const names = new Set<string>();
    for (const path of [...this.#names.keys(), ...this.#directories]) {
      if (path !== '' && path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0]);
    }
    names.delete('');
    return [...names].sort();
  }

  makeDirectory(path: string): void {
    const parts = path.split('/');
    for (let i = 1; i <= parts.length; i++) this.#directories.add(parts.slice(0, i).join('/'));
  }

  rename(from: string, to: string): void {
    const inode = this.inode(from);
    this.#change([
      { path: from, inode: undefined },
      { path: to, inode },
    ]);
  }

  link(from: string, to: string): void {
    if (this.#names.has(to)) throw diskError('EEXIST', 'link', to);
    this.#change([{ path: to, inode: this.inode(from) }]);
  }

  remove(path: string): void {
    const below = this.paths().filter((each) => each === path || each.startsWith(`${path}/`));
    for (const each of below) this.#change([{ path: each, inode: undefined }]);
    for (const each of this.#directories) {
      if (each === path || each.startsWith(`${path}/`)) this.#directories.delete(each);
    }
  }

  syncDirectory(directory: string): void {
    const isSynced = (change: NameChange): boolean =>
      change.names.some(({ path }) => parentOf(path) === directory);
    for (const change of this.#changes) if (isSynced(change)) apply(this.#savedNames, change);
    this.#changes = this.#changes.filter((change) => !isSynced(change));
  }

  append(inode: Inode, bytes: Uint8Array, path: string): void {
    const room = Math.max(0, this.faults.capacityBytes - this.usedBytes);
    let code = bytes.length > room ? 'ENOSPC' : undefined;
    let count = Math.min(bytes.length, room);
    if (this.random.chance(this.faults.writeError)) {
      code = 'EIO';
      count = this.random.int(0, count);
    }
    const start = inode.cache.length;
    inode.cache = Buffer.concat([inode.cache, bytes.subarray(0, count)]);
    if (count > 0) inode.dirty.push({ start, end: start + count });
    if (code) throw diskError(code, 'append', path);
  }

  sync(inode: Inode, path: string): void {
    const isLost = this.random.chance(this.faults.syncError);
    if (isLost) {
      // Some of it may have reached the disk; the remainder never will, because the cache now counts it as
      // clean.
      const saved = this.#partlySaved(inode, 0.5);
      inode.saved = saved;
      inode.dirty = [];
      throw diskError('EIO', 'fsync', path);
    }
    inode.saved = this.#partlySaved(inode, 1);
    inode.dirty = [];
  }

  truncate(inode: Inode, length: number): void {
    inode.cache = Buffer.from(inode.cache.subarray(0, length));
    inode.dirty = inode.dirty
      .map(({ start, end }) => ({ start, end: Math.min(end, length) }))
      .filter(({ start, end }) => start < end);
  }

  #change(names: NameChange['names']): void {
    const change: NameChange = { names };
    apply(this.#names, change);
    this.#changes.push(change);
  }

  /**
   * The content after a crash: the saved bytes, with some of the dirty ones by chance; a shortening may be
   * undone.
   */
  #tear(inode: Inode): void {
    const luck = this.random.pick([0, 0.5, 0.9, 1]);
    const torn = this.random.chance(0.5) ? this.#partlySaved(inode, luck) : Buffer.from(inode.saved);
    inode.cache = Buffer.from(torn);
    inode.saved = torn;
    inode.dirty = [];
  }

  /** `saved` with each dirty sector written with probability `luck`; 1 means all, the length included. */
  #partlySaved(inode: Inode, luck: number): Buffer {
    const { cache, saved } = inode;
    const isWhole = luck === 1;
    const length = isWhole
      ? cache.length
      : this.random.int(Math.min(saved.length, cache.length), Math.max(saved.length, cache.length));
    const result = Buffer.alloc(length);
    saved.copy(result);
    for (const { start, end } of inode.dirty) {
      for (let at = start; at < end;) {
        const next = Math.min(end, at - (at % sectorBytes) + sectorBytes);
        if (isWhole || this.random.chance(luck)) cache.copy(result, at, at, Math.min(next, length));
        at = next;
      }
    }
    return result;
  }
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  for (const { path, inode } of change.names) {
    if (inode) names.set(path, inode);
    else names.delete(path);
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
