/*
 * The grams of a text, each a place in a search filter's bitmap. FORMAT.md describes the same: readers of
 * every later version must do it in the same way.
 */

/** Bits of a bitmap before it is folded. */
export const bitmapBits = 1 << 18;
export const placeMask = bitmapBits - 1;

/** Bytes of a hashed gram, and the number of neighbouring grams of which the least is marked. */
const gramBytes = 5;
export const windowGrams = 6;
/** Letters of a word gram. */
const wordBytes = 4;

export const firstFactor = 0x9e37_79b1;
export const secondFactor = 0x85eb_ca6b;
export const lastFactor = 0xc2b2_ae35;
export const wordFactor = 0x27d4_eb2f;
export const mixShift = 15;
export const wordShift = 14;

/** ASCII letters in lower case; other bytes are not changed. */
export function foldByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Adds the places of a needle's grams to `places`: a filter of lines with the needle has all of them. */
export function addNeedlePlaces(needle: Uint8Array, places: Set<number>): void {
  const bytes = Buffer.from(needle.map(foldByte));
  const hashes: number[] = [];
  for (let at = 0; at + gramBytes <= bytes.length; at++) hashes.push(gramHash(bytes, at));
  for (let at = 0; at + windowGrams <= hashes.length; at++) {
    let least = hashes[at];
    for (let i = at + 1; i < at + windowGrams; i++) if (hashes[i] < least) least = hashes[i];
    places.add(least & placeMask);
  }
  for (let at = 0; at + wordBytes <= bytes.length; at++) {
    if (isWord(bytes, at)) places.add(wordPlace(bytes.readUInt32LE(at)));
  }
}

/** The hash of the gram at `at`; a window marks its least hash. */
export function gramHash(bytes: Buffer, at: number): number {
  const sum =
    Math.imul(bytes.readUInt32LE(at), firstFactor) + Math.imul(bytes.readUInt32LE(at + 1), secondFactor);
  const hash = sum >>> 0;
  return Math.imul(hash ^ (hash >>> mixShift), lastFactor) >>> 0;
}

export function wordPlace(letters: number): number {
  return Math.imul(letters, wordFactor) >>> wordShift;
}

/** Whether the four bytes at `at` are lower-case letters. */
export function isWord(bytes: Buffer, at: number): boolean {
  for (let i = at; i < at + wordBytes; i++) if (bytes[i] < 0x61 || bytes[i] > 0x7a) return false;
  return true;
}
