/**
 * Node's own slices, which `toString` wraps at three times the cost for short strings; missing from its
 * types.
 */
interface SlicingBuffer {
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
}

/** Text of bytes[start..end); invalid UTF-8 becomes U+FFFD. */
export function utf8Text(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as SlicingBuffer).utf8Slice(start, end);
}

/** The same for bytes known to be ASCII. */
export function latin1Text(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as SlicingBuffer).latin1Slice(start, end);
}

/** Slots of the text cache; a power of two. 4096 short strings are some 300 KB. */
const slots = 4096;
/** Longer values are rarely repeated, and comparing them costs more than making them. */
const cachedBytesMax = 40;

/**
 * Turns bytes into strings, remembering short ASCII ones: a level or a method that a million lines repeat
 * becomes one string, found again by a hash of its bytes. Direct mapped, so it cannot grow.
 */
export class ByteText {
  /** Made for the first text: most pipelines never ask for one. */
  #texts: string[] | undefined;

  /** UTF-8 text of bytes[start..end); invalid sequences become U+FFFD. */
  text(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length === 0) return '';
    if (length > cachedBytesMax) return utf8Text(bytes, start, end);
    let hash = length;
    let seen = 0;
    for (let i = start; i < end; i++) {
      const byte = bytes[i];
      hash = (Math.imul(hash, 31) + byte) | 0;
      seen |= byte;
    }
    if (seen >= 0x80) return utf8Text(bytes, start, end);
    const texts = (this.#texts ??= Array.from<string>({ length: slots }).fill(''));
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = texts[slot];
    if (known.length === length && sameAscii(known, bytes, start)) return known;
    const made = latin1Text(bytes, start, end);
    texts[slot] = made;
    return made;
  }
}

function sameAscii(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/**
 * Parts of a string shorter than this are copied anyway; a line of fewer characters may stay in memory for
 * its parts.
 */
const slicedCharsMin = 13;
const keptCharsMax = 512;

/**
 * A text that was cut from `whole`, in memory of its own: labels outlive the line they were found in, and a
 * part of a string keeps all of it alive.
 */
export function ownText(part: string, whole: string): string {
  return part.length < slicedCharsMin || whole.length <= keptCharsMax
    ? part
    : Buffer.from(part, 'utf8').toString('utf8');
}
