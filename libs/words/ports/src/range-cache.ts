/** A local cache of ranges of distant objects. */

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
 * Ranges of immutable objects by the object's key. A range may vanish at any time. The cache verifies bytes
 * before it returns them: damaged or late ones count as absent. No call rejects.
 */
export interface RangeCache {
  /** In the order of `ranges`; undefined for an absent range. */
  read(key: string, ranges: readonly CheckedRange[]): Promise<readonly (Buffer | undefined)[]>;
  /** Offers bytes to the cache, which may drop them. Returns at once. The bytes are copied. */
  write(key: string, ranges: readonly (CheckedRange & { readonly bytes: Uint8Array })[]): void;
  /** The tail that `writeTail` has stored. */
  readTail(key: string): Promise<ObjectTail | undefined>;
  writeTail(key: string, tail: ObjectTail): void;
}
