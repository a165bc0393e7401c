/** A copy nearby of what was read of objects far away. */

/** Bytes [offset, offset + storedBytes) of an object, whose CRC32C is known. */
export interface CheckedRange {
  readonly offset: number;
  readonly storedBytes: number;
  readonly checksum: number;
}

/** The last bytes of an object, and its size. */
export interface ObjectTail {
  readonly bytes: Buffer;
  readonly sizeBytes: number;
}

/**
 * Ranges of immutable objects by the object's key. Never the truth: a range may vanish at any time. Bytes are
 * checked before they are given: those that are damaged, or late, are not there. No call rejects.
 */
export interface RangeCache {
  /** In the order of `ranges`; undefined where there is none. */
  read(key: string, ranges: readonly CheckedRange[]): Promise<readonly (Buffer | undefined)[]>;
  /** Keeps what it likes. Returns at once. The bytes are copied. */
  write(key: string, ranges: readonly (CheckedRange & { readonly bytes: Uint8Array })[]): void;
  /** As `writeTail` was given it. */
  readTail(key: string): Promise<ObjectTail | undefined>;
  writeTail(key: string, tail: ObjectTail): void;
}
