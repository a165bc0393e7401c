/** Texts of bytes, cached where they repeat: parsers make labels from lines with it. */

/**
 * Node's internal slices, which its types do not declare. `toString` wraps them at three times the cost for
 * short strings.
 */
interface SlicingBuffer {
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
}

/** Text of bytes[start..end); invalid UTF-8 becomes U+FFFD. */
export function utf8Text(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as SlicingBuffer).utf8Slice(start, end);
}

/** Text of ASCII bytes[start..end). */
export function latin1Text(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as SlicingBuffer).latin1Slice(start, end);
}

/** Slots of the text cache; a power of two. 4096 short strings are some 300 KB. */
const slots = 4096;
/** Longest cached text: longer ones rarely repeat, and comparing them costs more than decoding them. */
const cachedBytesMax = 40;

/**
 * Decodes bytes and caches short ASCII texts: a level or a method that a million lines repeat becomes one
 * string, which a hash of its bytes finds. The cache is direct mapped, so it cannot grow.
 */
export class ByteText {
  /** Allocated for the first text: most pipelines need none. */
  #texts: string[] | undefined;

  /** UTF-8 text of bytes[start..end); invalid sequences become U+FFFD. */
  text(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length === 0) return '';
    if (length > cachedBytesMax) return utf8Text(bytes, start, end);
    let hash = length;
    let allBits = 0;
    for (let i = start; i < end; i++) {
      const byte = bytes[i];
      hash = (Math.imul(hash, 31) + byte) | 0;
      allBits |= byte;
    }
    if (allBits >= 0x80) return utf8Text(bytes, start, end);
    const texts = (this.#texts ??= Array.from<string>({ length: slots }).fill(''));
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const cached = texts[slot];
    if (cached.length === length && sameAscii(cached, bytes, start)) return cached;
    const text = latin1Text(bytes, start, end);
    texts[slot] = text;
    return text;
  }
}

function sameAscii(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/**
 * V8 copies parts of a string that are shorter than this. A line with fewer characters may stay in memory for
 * its parts.
 */
const slicedCharsMin = 13;
const keptCharsMax = 512;

/**
 * A copy of `part`, a substring of `line`, in memory of its own: labels outlive their line, and a substring
 * keeps the whole string alive.
 */
export function ownText(part: string, line: string): string {
  return part.length < slicedCharsMin || line.length <= keptCharsMax
    ? part
    : Buffer.from(part, 'utf8').toString('utf8');
}
