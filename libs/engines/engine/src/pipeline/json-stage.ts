/** The stage `json`: step *fetch, scan* of a query. */
import { blockEnd, jsonErrors, skipBlanks, tokenEnd } from '@loki/go';
import { latin1Text } from '../common/byte-text.ts';
import type { ByteText } from '../common/byte-text.ts';
import { errorKinds } from '../common/error-labels.ts';
import { sawEscape, stringEnd, unescapeBytes } from './json-scan.ts';
import { KeyTable } from './key-table.ts';
import type { NeededLabels } from './needed-labels.ts';
import type { Row } from './row.ts';

/**
 * Deepest nesting. Deeper objects are left out, because the total length of their label names grows with the
 * square of the line.
 */
const depthMax = 128;

/** Results of `#key` that mean an error. */
const unclosed = -1;
const badEscape = -2;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * `| json`: extracts labels from all fields of an object, or from the needed ones, in one pass over the
 * bytes. Nested names are joined by `_`, arrays and nulls are skipped, and numbers keep their text.
 */
export class JsonStage {
  readonly #needed: NeededLabels;
  readonly #keys: KeyTable;
  readonly #texts: ByteText;
  #row!: Row;
  #bytes!: Buffer;
  /** End of the line. */
  #end = 0;
  /** Current position of the walk. */
  #at = 0;
  #missingCount = 0;
  /** Keys of the row's parsed labels, if the caller needs paths. */
  readonly #pathKeys: number[] | undefined;

  /** @param tracksPaths whether `pathOf` will be called, for labels of the last line */
  constructor(needed: NeededLabels, texts: ByteText, tracksPaths = false) {
    this.#pathKeys = tracksPaths ? [] : undefined;
    this.#needed = needed;
    this.#keys = new KeyTable(needed);
    this.#texts = texts;
  }

  run(row: Row): boolean {
    this.#row = row;
    this.#bytes = row.bytes;
    this.#end = row.end;
    this.#at = row.start;
    this.#missingCount = this.#needed.enough;
    this.#keys.startLine();
    if (this.#pathKeys) this.#pathKeys.length = 0;
    const failure = this.#walkObject(KeyTable.root, 0);
    if (failure !== '') row.setError(errorKinds.json, failure);
    return true;
  }

  /** The path of keys to the value of the row's parsed label `index`, as in the line. */
  pathOf(index: number): string[] {
    return this.#keys.pathOf(this.#pathKeys![index]);
  }

  /**
   * Walks the object at #at and leaves #at behind it. Returns the error; '' : none, or no further label is
   * needed.
   */
  #walkObject(parent: number, depth: number): string {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = skipBlanks(bytes, this.#at, end);
    if (at === end || bytes[at] !== openBrace) return jsonErrors.object;
    at = skipBlanks(bytes, at + 1, end);
    if (at === end) return jsonErrors.malformed;
    let previous = -1;
    for (;;) {
      if (bytes[at] === closeBrace) {
        this.#at = at + 1;
        return '';
      }
      if (bytes[at] !== quote) return jsonErrors.object;
      const key = this.#key(parent, previous, at + 1);
      if (key < 0) return key === badEscape ? jsonErrors.escape : jsonErrors.malformed;
      previous = key;
      at = this.#at;
      at = skipBlanks(bytes, at, end);
      if (at === end || bytes[at] !== colon) return jsonErrors.malformed;
      at = skipBlanks(bytes, at + 1, end);
      if (at === end) return jsonErrors.malformed;
      this.#at = at;
      const failure = this.#walkValue(key, depth);
      if (failure !== '') return failure;
      if (this.#missingCount === 0) return '';
      at = skipBlanks(bytes, this.#at, end);
      if (at === end) return jsonErrors.array;
      if (bytes[at] === comma) {
        at = skipBlanks(bytes, at + 1, end);
        if (at === end) return jsonErrors.array;
      } else if (bytes[at] !== closeBrace) return jsonErrors.object;
    }
  }

  /**
   * Reads the key whose first byte is at `start` and leaves #at behind its quote. A negative result is an
   * error.
   */
  #key(parent: number, previous: number, start: number): number {
    const keys = this.#keys;
    const bytes = this.#bytes;
    const guess = keys.guess(parent, previous);
    if (guess >= 0) {
      const length = keys.lengthAt(guess, parent, bytes, start, this.#end);
      if (length >= 0) {
        this.#at = start + length + 1;
        return guess;
      }
    }
    const end = stringEnd(bytes, start, this.#end);
    if (end < 0) return unclosed;
    this.#at = end;
    let key: number;
    if (sawEscape) {
      const text = unescapeBytes(bytes, start, end - 1);
      if (text === undefined) return badEscape;
      const plain = Buffer.from(text, 'utf8');
      key = keys.lookup(parent, plain, 0, plain.length);
    } else key = keys.lookup(parent, bytes, start, end - 1);
    keys.learn(parent, previous, key);
    return key;
  }

  #walkValue(key: number, depth: number): string {
    const bytes = this.#bytes;
    const start = this.#at;
    const first = bytes[start];
    if (first === quote) {
      const end = stringEnd(bytes, start + 1, this.#end);
      if (end < 0) return jsonErrors.string;
      this.#at = end;
      if (this.#keys.isWanted[key]) this.#addLabel(key, this.#stringValue(start + 1, end - 1, sawEscape));
      return '';
    }
    if (first === openBrace) return this.#walkNested(key, depth);
    if (first === openBracket) {
      const end = blockEnd(bytes, start, this.#end, openBracket);
      if (end < 0) return jsonErrors.array;
      this.#at = end;
      return '';
    }
    const end = tokenEnd(bytes, start, this.#end);
    if (!isScalar(bytes, start, end)) return jsonErrors.unknownValue;
    this.#at = end;
    if (first !== 0x6e && this.#keys.isWanted[key]) this.#addLabel(key, this.#texts.text(bytes, start, end));
    return '';
  }

  #walkNested(key: number, depth: number): string {
    const start = this.#at;
    // An object that never closes gives no labels. Objects inside a closed object are closed too.
    const isWalked = this.#keys.isWantedBelow[key] && depth + 1 < depthMax;
    if (depth === 0 || !isWalked) {
      const end = blockEnd(this.#bytes, start, this.#end, openBrace);
      if (end < 0) return jsonErrors.object;
      this.#at = end;
    }
    if (!isWalked) return '';
    this.#at = start;
    return this.#walkObject(key, depth + 1);
  }

  #stringValue(start: number, end: number, isEscaped: boolean): string {
    if (!isEscaped) return this.#texts.text(this.#bytes, start, end);
    return unescapeBytes(this.#bytes, start, end) ?? '';
  }

  #addLabel(key: number, value: string): void {
    const name = this.#keys.names[key];
    if (!this.#row.extract(name, value, this.#needed)) return;
    this.#pathKeys?.push(key);
    this.#missingCount--;
  }
}

/**
 * Whether the bytes are a number, true, false or null. Like Loki's parser it checks only the first byte of a
 * number.
 */
export function isScalar(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start];
  if ((first >= 0x30 && first <= 0x39) || first === 0x2d) return end > start;
  if (first !== 0x74 && first !== 0x66 && first !== 0x6e) return false;
  const word = latin1Text(bytes, start, end);
  return word === 'true' || word === 'false' || word === 'null';
}
