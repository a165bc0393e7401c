/** A virtual disk with faults: torn writes, lost syncs, full disk. */
import type { Disk, DiskFile } from '@loki/ports';
import type { Prng } from './prng.ts';
import type { VirtualProcess } from './virtual-process.ts';

/** Faults of the disk. Probabilities are per operation. */
export interface DiskFaults {
  /** Capacity in bytes; an append beyond it writes as much as fits, then fails with ENOSPC. */
  capacityBytes: number;
  /** A write fails with EIO, perhaps after a part of it. */
  writeError: number;
  /** An fsync fails with EIO. As on Linux, its unsaved bytes then count as clean and may never be saved. */
  syncError: number;
  readError: number;
  /** Probability for creating, renaming, linking, removing, truncating. */
  changeError: number;
  /** An operation takes up to this long, uniform; only with a process to wait in. */
  delayMaxMs: number;
}

/** A disk without faults that answers within 2 ms. */
export const noDiskFaults: DiskFaults = {
  capacityBytes: Number.POSITIVE_INFINITY,
  writeError: 0,
  syncError: 0,
  readError: 0,
  changeError: 0,
  delayMaxMs: 2,
};

/** A disk writes whole sectors: a torn write ends at a multiple of this. */
const sectorBytes = 512;

/** An operation that is about to happen. */
interface DiskOperation {
  readonly kind:
    'append' | 'sync' | 'read' | 'truncate' | 'create' | 'rename' | 'link' | 'remove' | 'syncDirectory';
  readonly path: string;
}

/** A file's contents as programs see them, and as they would be after a power failure. */
class Inode {
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
export class VirtualDisk {
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

  /** The disk as one process reaches it; without a process, operations take no time. */
  client(process?: VirtualProcess): Disk {
    return new DiskClient(this, process);
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

  /** An exact copy, without faults: for trying many damages on one state. */
  clone(): VirtualDisk {
    const copy = new VirtualDisk(this.random.fork('clone'));
    for (const path of this.paths()) copy.place(path, this.bytesOf(path));
    for (const directory of this.#directories) copy.#directories.add(directory);
    return copy;
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

class DiskClient implements Disk {
  readonly #disk: VirtualDisk;
  readonly #process: VirtualProcess | undefined;
  readonly #generation: number;

  constructor(disk: VirtualDisk, process: VirtualProcess | undefined) {
    this.#disk = disk;
    this.#process = process;
    this.#generation = disk.generation;
  }

  open(path: string, options?: { create?: boolean }): Promise<DiskFile> {
    const isMaking = options?.create === true;
    return this.run({ kind: 'create', path }, () => {
      const inode = isMaking && !this.#disk.has(path) ? this.#disk.create(path) : this.#disk.inode(path);
      return new VirtualFile(this, this.#disk, inode, path);
    });
  }

  list(directory: string): Promise<string[]> {
    return this.run({ kind: 'read', path: directory }, () => this.#disk.list(directory));
  }

  makeDirectory(path: string): Promise<void> {
    return this.run({ kind: 'create', path }, () => this.#disk.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.run({ kind: 'rename', path: from }, () => this.#disk.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.run({ kind: 'link', path: to }, () => this.#disk.link(from, to));
  }

  remove(path: string): Promise<void> {
    return this.run({ kind: 'remove', path }, () => this.#disk.remove(path));
  }

  syncDirectory(directory: string): Promise<void> {
    return this.run({ kind: 'syncDirectory', path: directory }, () => this.#disk.syncDirectory(directory));
  }

  /** Runs `action` after a while, unless the disk crashed or the process died meanwhile. */
  run<T>(operation: DiskOperation, action: () => T): Promise<T> {
    const outcome = (): T => {
      if (this.#disk.generation !== this.#generation) throw diskError('EIO', operation.kind, operation.path);
      this.#disk.begin(operation);
      return action();
    };
    if (!this.#process) return Promise.resolve().then(outcome);
    const delayMs = this.#disk.random.float() * this.#disk.faults.delayMaxMs;
    return this.#process.tell(delayMs, `disk ${operation.kind} ${operation.path}`, outcome);
  }
}

class VirtualFile implements DiskFile {
  readonly #client: DiskClient;
  readonly #disk: VirtualDisk;
  readonly #inode: Inode;
  readonly #path: string;
  #isClosed = false;

  constructor(client: DiskClient, disk: VirtualDisk, inode: Inode, path: string) {
    this.#client = client;
    this.#disk = disk;
    this.#inode = inode;
    this.#path = path;
  }

  append(bytes: Uint8Array): Promise<void> {
    const copy = Buffer.from(bytes);
    return this.#run('append', () => this.#disk.append(this.#inode, copy, this.#path));
  }

  sync(): Promise<void> {
    return this.#run('sync', () => this.#disk.sync(this.#inode, this.#path));
  }

  read(offset: number, length: number): Promise<Buffer> {
    return this.#run('read', () => Buffer.from(this.#inode.cache.subarray(offset, offset + length)));
  }

  size(): Promise<number> {
    return this.#run('read', () => this.#inode.cache.length);
  }

  truncate(length: number): Promise<void> {
    return this.#run('truncate', () => this.#disk.truncate(this.#inode, length));
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }

  #run<T>(kind: DiskOperation['kind'], action: () => T): Promise<T> {
    return this.#client.run({ kind, path: this.#path }, () => {
      if (this.#isClosed) throw diskError('EBADF', kind, this.#path);
      return action();
    });
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

/** An error as Node's file system throws it. */
export function diskError(code: string, operation: string, path: string): Error & { code: string } {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code });
}
