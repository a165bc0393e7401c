/** Locks the directories that this process writes against a second process. */
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const lockName = '.loki.lock';

/** A directory that one process alone may write. */
export interface OwnDirectory {
  readonly path: string;
  /** The flag that sets it, without the hyphen. */
  readonly flag: string;
}

/**
 * Locks directories for this process: two processes in one directory would overwrite each other's files. The
 * locks are the kernel's (fcntl, through SQLite, as Node has no call for it), on a file inside each
 * directory: they work across containers and mount namespaces, and end with the process. 1 ms and 2 MB in
 * all.
 *
 * @returns a function that releases the locks
 * @throws Error with the directory that another process has locked, or that cannot be written
 */
export function lockDirectories(directories: readonly OwnDirectory[]): () => void {
  const locks: DatabaseSync[] = [];
  const unlock = (): void => locks.splice(0).forEach((lock) => lock.close());
  try {
    for (const directory of distinct(directories)) locks.push(lockDirectory(directory));
  } catch (error) {
    unlock();
    throw error;
  }
  return unlock;
}

function lockDirectory({ path: directory, flag }: OwnDirectory): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(path.join(directory, lockName));
    // A journal in memory: one in a file would keep a process from starting on a full disk.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) {
      throw new Error(`${directory} is in use by another process: choose another one with -${flag}`, {
        cause: error,
      });
    }
    throw new Error(`${directory} cannot be locked: ${(error as Error).message}: see -${flag}`, {
      cause: error,
    });
  }
}

/** SQLITE_BUSY: another process, or another connection of this one, holds the lock. */
const sqliteBusy = 5;

/**
 * Real paths without repeats. Nested directories are locked as well: a second process may use the inner one
 * only.
 */
function distinct(directories: readonly OwnDirectory[]): OwnDirectory[] {
  const byPath = new Map<string, OwnDirectory>();
  for (const { path: directory, flag } of directories) {
    fs.mkdirSync(directory, { recursive: true });
    const real = fs.realpathSync(directory);
    if (!byPath.has(real)) byPath.set(real, { path: real, flag });
  }
  return [...byPath.values()];
}
