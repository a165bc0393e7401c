/** Stores repeated label names and values once, to save memory. */
import { BoundedMap } from '@loki/model';
import type { LabelPair } from '@loki/model';

/** Maximum of cached texts. Texts in use repeat, and so stay in the cache. */
const textsMax = 16 * 1024;
const listsMax = 1024;
/** The engine copies texts up to this length when they are cut out of another one. */
const slicedTextMin = 13;

/**
 * Label names and values that many streams have, as one string each. A stream shares its names with others,
 * and most of its values; copies would be half of a cached stream's memory.
 */
export class SharedTexts {
  readonly #texts = new BoundedMap<string, string>(textsMax);
  readonly #lists = new BoundedMap<string, readonly string[]>(listsMax);

  /** The names of sorted pairs. */
  names(pairs: readonly LabelPair[]): readonly string[] {
    const names = pairs.map(([name]) => name);
    const key = names.join('\0');
    let shared = this.#lists.get(key);
    if (!shared) this.#lists.set(key, (shared = names.map((name) => this.#shared(name))));
    return shared;
  }

  values(pairs: readonly LabelPair[]): string[] {
    return pairs.map(([, value]) => this.#shared(value));
  }

  #shared(text: string): string {
    let shared = this.#texts.get(text);
    if (shared === undefined) this.#texts.set(text, (shared = own(text)));
    return shared;
  }
}

/** A copy: a text that was cut out of a push's labels keeps all of them in memory. */
function own(text: string): string {
  return text.length < slicedTextMin || !text.isWellFormed() ? text : Buffer.from(text).toString();
}
