/** The label values of a head's streams, each stored once. */
import type { EntryHasher } from './entry-hasher.ts';
import { grown } from './grown.ts';

/** A label name of one tenant, and its values by their texts. */
export interface LabelName {
  readonly text: string;
  readonly values: Map<string, number>;
}

/** Texts up to this length are copied by the engine when they are cut out of another one. */
const slicedTextMin = 13;

/**
 * The label values of a head's streams: each once, as a number, with a linked list of its streams. A hundred
 * thousand streams of one app share the text of its name.
 */
export class LabelValues {
  readonly #hasher: EntryHasher;
  readonly #texts: string[] = [];
  readonly #names: LabelName[] = [];
  readonly #free: number[] = [];
  #high = new Uint32Array(0);
  #low = new Uint32Array(0);
  /** Number of streams with the value, and the first of their pairs. */
  #counts = new Uint32Array(0);
  #firstPairs = new Int32Array(0);

  constructor(hasher: EntryHasher) {
    this.#hasher = hasher;
  }

  /** Values that at least one stream has. */
  get size(): number {
    return this.#texts.length - this.#free.length;
  }

  text(value: number): string {
    return this.#texts[value];
  }

  name(value: number): LabelName {
    return this.#names[value];
  }

  count(value: number): number {
    return this.#counts[value];
  }

  /** The first pair of its list; -1: none. */
  firstPair(value: number): number {
    return this.#firstPairs[value];
  }

  high(value: number): number {
    return this.#high[value];
  }

  low(value: number): number {
    return this.#low[value];
  }

  /**
   * Half of the hash of a name with its value. Keyed: clients that choose labels cannot make streams collide.
   */
  half(which: 'high' | 'low', name: string, text: string): number {
    return this.#hasher.ofTexts(which === 'high' ? 1 : 2, name, text);
  }

  /** The number of a value, added if it is new. */
  intern(name: LabelName, text: string): number {
    const existing = name.values.get(text);
    if (existing !== undefined) return existing;
    const value = this.#free.pop() ?? this.#texts.length;
    if (value === this.#counts.length) this.#grow();
    const own = text.length < slicedTextMin ? text : Buffer.from(text).toString();
    this.#texts[value] = own;
    this.#names[value] = name;
    this.#high[value] = this.half('high', name.text, own);
    this.#low[value] = this.half('low', name.text, own);
    this.#counts[value] = 0;
    this.#firstPairs[value] = -1;
    name.values.set(own, value);
    return value;
  }

  /** Counts one more stream with the value; its pair is the first of the list now. */
  linked(value: number, pair: number): void {
    this.#counts[value]++;
    this.#firstPairs[value] = pair;
  }

  /**
   * Counts one stream less with the value; `firstPair` is the first of the list now.
   *
   * @returns false when no stream has the value any more: its number is free
   */
  unlinked(value: number, firstPair: number): boolean {
    this.#firstPairs[value] = firstPair;
    if (--this.#counts[value] > 0) return true;
    this.#names[value].values.delete(this.#texts[value]);
    this.#texts[value] = '';
    this.#free.push(value);
    return false;
  }

  #grow(): void {
    this.#high = grown(this.#high);
    this.#low = grown(this.#low);
    this.#counts = grown(this.#counts);
    this.#firstPairs = grown(this.#firstPairs);
  }
}
