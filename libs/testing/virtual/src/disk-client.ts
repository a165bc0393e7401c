/** The port Disk of one virtual process, whose operations end when the process dies. */
import type { Disk, DiskFile } from '@loki/ports';
import { diskError } from './disk-faults.ts';
import type { DiskOperation } from './disk-faults.ts';
import type { Inode, DiskState } from './disk-state.ts';
import type { VirtualProcess } from './virtual-process.ts';

export class DiskClient implements Disk {
  readonly #disk: DiskState;
  readonly #process: VirtualProcess | undefined;
  readonly #generation: number;

  constructor(disk: DiskState, process: VirtualProcess | undefined) {
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
  readonly #disk: DiskState;
  readonly #inode: Inode;
  readonly #path: string;
  #isClosed = false;

  constructor(client: DiskClient, disk: DiskState, inode: Inode, path: string) {
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
