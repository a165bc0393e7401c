/** An open file. All methods may throw what the operating system throws (ENOSPC, EIO …), with `code` set. */
export interface DiskFile {
  /** Appends at the end; durable only after `sync`. A failed append may have written a part of `bytes`. */
  append(bytes: Uint8Array): Promise<void>;
  /** Makes all that was appended durable. */
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
   * Opens for reading and appending; creates when `create`. Throws ENOENT otherwise. `readOnly`: for reading
   * alone, which works where nothing may be written.
   */
  open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<DiskFile>;
  /** Names (not paths) in a directory, sorted; [] when it does not exist. */
  list(directory: string): Promise<string[]>;
  /** With its parents; durable when it resolves. Making what exists is fine. */
  makeDirectory(path: string): Promise<void>;
  /** Atomic replacement within the disk. */
  rename(from: string, to: string): Promise<void>;
  /** Hard link: fails with EEXIST when `to` exists. Create-if-absent rests on it. */
  link(from: string, to: string): Promise<void>;
  /** A file, or a directory with all that is in it. Removing what does not exist is no error. */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
}
