/** Faults that a virtual disk may have, and the error that an operation then ends with. */

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

/** An error as Node's file system throws it. */
export function diskError(code: string, operation: string, path: string): Error & { code: string } {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code });
}

/** An operation that is about to happen. */
export interface DiskOperation {
  readonly kind:
    'append' | 'sync' | 'read' | 'truncate' | 'create' | 'rename' | 'link' | 'remove' | 'syncDirectory';
  readonly path: string;
}
