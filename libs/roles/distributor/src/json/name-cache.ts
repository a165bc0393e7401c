/** Slots of the cache; names of one push rarely number more than a few dozen. A power of two. */
const slots = 512;

/** Longer names are not cached. */
const nameBytesMax = 64;

/**
 * Finds the string of a name's bytes without making it each time: metadata names repeat in every entry. One
 * slot for each hash; a collision replaces, so the cache is bounded by construction.
 */
export class NameCache {
  readonly #names: (string | undefined)[] = Array.from({ length: slots });
  readonly #bytes: (Uint8Array | undefined)[] = Array.from({ length: slots });

  get(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length === 0 || length > nameBytesMax) return bytes.toString('utf8', start, end);
    const slot =
      (length * 31 + bytes[start] * 7 + bytes[end - 1] * 131 + bytes[start + (length >>> 1)] * 17) &
      (slots - 1);
    const cachedBytes = this.#bytes[slot];
    if (cachedBytes !== undefined && cachedBytes.length === length) {
      let i = 0;
      while (i < length && cachedBytes[i] === bytes[start + i]) i++;
      if (i === length) return this.#names[slot]!;
    }
    const name = bytes.toString('utf8', start, end);
    this.#names[slot] = name;
    this.#bytes[slot] = Uint8Array.prototype.slice.call(bytes, start, end);
    return name;
  }
}
