/** Label sets: the identity of a stream, from the push to the answer. */
import { quoteGo } from '@loki/go';
import { hash64Bytes } from './hash.ts';

/** One name with its value. */
export type LabelPair = readonly [name: string, value: string];

const firstSurrogate = 0xd800;
const surrogateOrAbove = /[\ud800-\uffff]/;

/**
 * Order of UTF-8 bytes, which for strings without lone surrogates is the order of code points. The operator
 * `<` gives the same order many times faster, unless both texts have a UTF-16 unit of 0xd800 or above.
 */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  // Most names differ in their first character; NaN of an empty text is below nothing.
  const [first, other] = [a.charCodeAt(0), b.charCodeAt(0)];
  if (first !== other && first < firstSurrogate && other < firstSurrogate) return first < other ? -1 : 1;
  if (surrogateOrAbove.test(a) && surrogateOrAbove.test(b)) return compareCodePoints(a, b);
  return a < b ? -1 : 1;
}

/**
 * Sorts in the order of UTF-8 bytes, in place. When no text needs `compareText`, JavaScript's own order is
 * the same at a tenth of the cost.
 */
export function sortTexts(texts: string[]): string[] {
  return texts.some((text) => surrogateOrAbove.test(text)) ? texts.sort(compareText) : texts.sort();
}

function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x === y) continue;
    // UTF-16 puts surrogates (0xd800..0xdfff) below 0xe000..0xffff, UTF-8 above: lift them.
    if (x >= 0xd800 && y >= 0xd800) {
      x = x >= 0xe000 ? x - 0x800 : x + 0x2000;
      y = y >= 0xe000 ? y - 0x800 : y + 0x2000;
    }
    return x - y;
  }
  return a.length - b.length;
}

/**
 * An immutable label set: sorted by name in byte order, no name twice, no empty value.
 * Equal sets have equal `toString()`, and the text is cached, so it serves as a map key.
 */
export class Labels implements Iterable<LabelPair> {
  static readonly empty = new Labels([], []);
  readonly names: readonly string[];
  readonly values: readonly string[];
  #text: string | undefined;
  #hash: bigint | undefined;

  private constructor(names: readonly string[], values: readonly string[]) {
    this.names = names;
    this.values = values;
  }

  /**
   * Sorts; drops pairs with an empty value, which in Loki's data model means "no such label". A repeated name
   * keeps its last value: callers that must refuse duplicates check before.
   */
  static fromPairs(pairs: Iterable<LabelPair>): Labels {
    const map = new Map<string, string>();
    for (const [name, value] of pairs) map.set(name, value);
    const sorted = [...map].filter(([, value]) => value !== '').sort((a, b) => compareText(a[0], b[0]));
    if (sorted.length === 0) return Labels.empty;
    return new Labels(
      sorted.map((pair) => pair[0]),
      sorted.map((pair) => pair[1]),
    );
  }

  /**
   * For callers that already hold sorted, unique, non-empty columns (decoders). Not checked.
   *
   * @param text their canonical text, where the caller has it
   */
  static fromSorted(names: readonly string[], values: readonly string[], text?: string): Labels {
    if (names.length === 0) return Labels.empty;
    const labels = new Labels(names, values);
    labels.#text = text;
    return labels;
  }

  get size(): number {
    return this.names.length;
  }

  /** The value of `name`, or undefined when the set has no such label. */
  get(name: string): string | undefined {
    const at = this.names.indexOf(name);
    return at < 0 ? undefined : this.values[at];
  }

  has(name: string): boolean {
    return this.names.includes(name);
  }

  *[Symbol.iterator](): Iterator<LabelPair> {
    for (let i = 0; i < this.names.length; i++) yield [this.names[i], this.values[i]];
  }

  /** Canonical text, as Loki prints it: `{app="api", env="prod"}`, values quoted as Go does. */
  toString(): string {
    if (this.#text === undefined) {
      const parts = this.names.map((name, i) => `${name}=${quoteGo(this.values[i])}`);
      // The braces are part of the joined parts: the result is one flat string that does not retain other
      // strings.
      parts[0] = `{${parts[0] ?? ''}`;
      parts[parts.length - 1] += '}';
      this.#text = parts.join(', ');
    }
    return this.#text;
  }

  /** xxHash64 over name 0xff value 0xff …. It orders streams with equal timestamps. */
  hash(): bigint {
    if (this.#hash === undefined) {
      const { names, values } = this;
      let size = 0;
      for (let i = 0; i < names.length; i++) {
        size += Buffer.byteLength(names[i]) + Buffer.byteLength(values[i]) + 2;
      }
      const bytes = Buffer.allocUnsafe(size);
      let at = 0;
      for (let i = 0; i < names.length; i++) {
        at += bytes.write(names[i], at);
        bytes[at++] = 0xff;
        at += bytes.write(values[i], at);
        bytes[at++] = 0xff;
      }
      this.#hash = hash64Bytes(bytes);
    }
    return this.#hash;
  }

  equals(other: Labels): boolean {
    return this === other || this.toString() === other.toString();
  }

  /** A plain pair list, for JSON. A null-prototype object, because `__proto__` is a legal label name. */
  toObject(): Record<string, string> {
    const object = Object.create(null) as Record<string, string>;
    for (let i = 0; i < this.names.length; i++) object[this.names[i]] = this.values[i];
    return object;
  }
}
