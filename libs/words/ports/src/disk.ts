/** Port: the local disk, for the embedded write log, the ruler's queue and a store in files. */

/** An open file. All methods may throw errors of the operating system (ENOSPC, EIO …), with `code` set. */
export interface DiskFile {
  /** Appends at the end; durable only after `sync`. A failed append may have written a part of `bytes`. */
  append(bytes: Uint8Array): Promise<void>;
  /** Makes all appended bytes durable. */
  sync(): Promise<void>;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>;
  size(): Promise<number>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** A local disk below one root directory. Paths are relative, with `/`, never `..`. */
export interface Disk {
  /**
   * Opens for reading and appending; creates when `create`. Without `create` a missing file is ENOENT.
   * `readOnly` opens for reading only, which also works on a read-only file system.
   */
  open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<DiskFile>;
  /** Names (not paths) in a directory, sorted; [] when it does not exist, or is a file. */
  list(directory: string): Promise<string[]>;
  /** With its parents; durable when it resolves. An existing directory is no error. */
  makeDirectory(path: string): Promise<void>;
  /** Atomic replacement within the disk. */
  rename(from: string, to: string): Promise<void>;
  /** Hard link: fails with EEXIST when `to` exists. Create-if-absent is built on it. */
  link(from: string, to: string): Promise<void>;
  /** Removes a file, or a directory with its contents. A missing path is no error. */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
}
