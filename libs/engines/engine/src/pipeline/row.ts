/** The current row of a scan, with its line and labels: the stages of a pipeline change it. */
import { utf8Text } from '../common/byte-text.ts';
import { extractedSuffix } from '../common/error-labels.ts';
import type { BaseLabels } from './base-labels.ts';
import type { NeededLabels } from './needed-labels.ts';

/** Why a label of the stream or the metadata is hidden: another label has its name, or a stage dropped it. */
const replaced = 1;
const dropped = 2;

/**
 * Most parsed labels that are searched linearly; with more, a map is used: a line may have tens of thousands
 * of keys.
 */
const searchedMax = 32;

/**
 * One row in the pipeline. One object is reused for all rows of a leaf: `reset` loads the next row. The line
 * is bytes of the block until a stage replaces it.
 */
export class Row {
  base!: BaseLabels;
  /** The line is bytes[start..end), unless a stage replaced it by a text that is not encoded yet. */
  #bytes!: Buffer;
  #start = 0;
  #end = 0;
  #text: string | undefined;
  #isTextCurrent = false;
  #baseNs = 0n;
  #relativeNs = 0;
  /** Per base label: 0, `replaced` or `dropped`. */
  #hidden = new Uint8Array(32);
  hiddenCount = 0;
  /** Parsed labels, in order of appearance. */
  readonly parsedNames: string[] = [];
  readonly parsedValues: string[] = [];
  parsedCount = 0;
  /** Indexes of the first `#placedCount` parsed labels by name, if there are many. */
  readonly #places = new Map<string, number>();
  #placedCount = 0;
  error = '';
  errorDetails = '';
  /** The value of `now` in templates. */
  nowNs = 0n;

  reset(base: BaseLabels, baseNs: bigint, relativeNs: number): void {
    if (this.hiddenCount > 0) this.#hidden.fill(0);
    this.base = base;
    this.hiddenCount = 0;
    this.parsedCount = 0;
    if (this.#placedCount > 0) this.#forgetPlaces();
    this.error = '';
    this.errorDetails = '';
    this.#baseNs = baseNs;
    this.#relativeNs = relativeNs;
    if (this.#hidden.length < base.names.length) this.#hidden = new Uint8Array(base.names.length * 2);
  }

  get timestampNs(): bigint {
    return this.#baseNs + BigInt(this.#relativeNs);
  }

  // ---- the line

  setLine(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#text = undefined;
    this.#isTextCurrent = false;
  }

  setLineText(text: string): void {
    this.#text = text;
    this.#isTextCurrent = true;
  }

  /** The buffer that contains the line at `start` .. `end`. */
  get bytes(): Buffer {
    if (this.#isTextCurrent) this.setLineBytes(Buffer.from(this.#text!, 'utf8'));
    return this.#bytes;
  }

  get start(): number {
    if (this.#isTextCurrent) this.setLineBytes(Buffer.from(this.#text!, 'utf8'));
    return this.#start;
  }

  get end(): number {
    if (this.#isTextCurrent) this.setLineBytes(Buffer.from(this.#text!, 'utf8'));
    return this.#end;
  }

  setLineBytes(bytes: Buffer): void {
    this.setLine(bytes, 0, bytes.length);
  }

  /** The line as text, decoded once. */
  lineText(): string {
    this.#text ??= utf8Text(this.#bytes, this.#start, this.#end);
    return this.#text;
  }

  // ---- labels

  /** The value of `name`: of the parsed labels, else metadata, else stream. Without the error labels. */
  get(name: string): string | undefined {
    const parsed = this.#parsedAt(name);
    if (parsed >= 0) return this.parsedValues[parsed];
    const at = this.base.indexOf(name);
    return at >= 0 && this.#hidden[at] === 0 ? this.base.values[at] : undefined;
  }

  /**
   * The value for grouping series: that of `get`, except for a stream label or metadata that a stage dropped.
   * A parser may have extracted the name again: a log query shows it, but Loki's grouping by name ignores it.
   */
  groupValue(name: string): string | undefined {
    if (this.hiddenCount > 0) {
      const at = this.base.indexOf(name);
      if (at >= 0 && this.#hidden[at] === dropped) return undefined;
    }
    return this.get(name);
  }

  isHidden(baseIndex: number): boolean {
    return this.#hidden[baseIndex] !== 0;
  }

  /** Whether a base label with an index in [from, to) is hidden. */
  hidesAny(from: number, to: number): boolean {
    if (this.hiddenCount === 0) return false;
    for (let i = from; i < to; i++) if (this.#hidden[i] !== 0) return true;
    return false;
  }

  /**
   * Adds a label of a parser. A name in use becomes `name_extracted`; a name that was parsed before keeps its
   * value.
   *
   * @returns whether a label in `needed` was added
   */
  extract(name: string, value: string, needed: NeededLabels): boolean {
    const isTaken = this.isTaken(name);
    const full = isTaken ? name + extractedSuffix : name;
    if (!needed.has(full)) return false;
    if (this.#parsedAt(full) >= 0) return false;
    // Metadata may also have a name_extracted; the parsed label wins.
    if (isTaken) this.#hide(full, replaced);
    this.#add(full, value);
    return true;
  }

  /**
   * Adds a label that the query requests by path. The last one wins, also over labels that were parsed
   * before.
   */
  extractAsked(name: string, value: string, needed: NeededLabels): void {
    const isTaken = this.isTaken(name);
    const full = isTaken ? name + extractedSuffix : name;
    if (!needed.has(full)) return;
    const at = this.#parsedAt(full);
    if (at >= 0) {
      this.parsedValues[at] = value;
      return;
    }
    if (isTaken) this.#hide(full, replaced);
    this.#add(full, value);
  }

  /**
   * Whether parsers may not use this name: it is a stream label, dropped or not, or a metadata key that was
   * not dropped.
   */
  isTaken(name: string): boolean {
    const at = this.base.indexOf(name);
    return at >= 0 && (at < this.base.streamCount || this.#hidden[at] === 0);
  }

  /** Adds an empty label for a path without a value, unless the name is in use. */
  extractMissing(name: string): void {
    if (this.isTaken(name) || this.#parsedAt(name) >= 0) return;
    this.#add(name, '');
  }

  /** Sets a label of any origin; it is a parsed label from now on. */
  set(name: string, value: string): void {
    this.#hide(name, replaced);
    const at = this.#parsedAt(name);
    if (at >= 0) this.parsedValues[at] = value;
    else this.#add(name, value);
  }

  drop(name: string): void {
    this.#hide(name, dropped);
    const at = this.#parsedAt(name);
    if (at < 0) return;
    this.parsedNames.copyWithin(at, at + 1, this.parsedCount);
    this.parsedValues.copyWithin(at, at + 1, this.parsedCount);
    this.parsedCount--;
    this.#forgetPlaces();
  }

  /** Removes the parsed labels for which `keeps` is false; the others move up. */
  keepParsed(keeps: (name: string, value: string) => boolean): void {
    let to = 0;
    for (let i = 0; i < this.parsedCount; i++) {
      const name = this.parsedNames[i];
      const value = this.parsedValues[i];
      if (!keeps(name, value)) continue;
      this.parsedNames[to] = name;
      this.parsedValues[to++] = value;
    }
    this.parsedCount = to;
    this.#forgetPlaces();
  }

  dropBase(index: number): void {
    this.#hideAt(index, dropped);
  }

  /** Sets the error. Without details those of an earlier error stay. */
  setError(kind: string, details = this.errorDetails): void {
    this.error = kind;
    this.errorDetails = details;
  }

  /** Whether the row still has exactly its base labels. */
  get isUnchanged(): boolean {
    return this.parsedCount === 0 && this.hiddenCount === 0 && this.error === '' && this.errorDetails === '';
  }

  /**
   * A key of the labels: equal keys of one leaf mean equal labels in all categories. It is not canonical:
   * different keys may mean equal labels.
   */
  labelKey(): string {
    let key = `${this.base.id}`;
    if (this.hiddenCount > 0) {
      for (let i = 0; i < this.base.names.length; i++) if (this.#hidden[i] !== 0) key += `-${i}`;
    }
    for (let i = 0; i < this.parsedCount; i++) {
      key += `\u0000${this.parsedNames[i]}\u0001${this.parsedValues[i]}`;
    }
    return this.error === '' && this.errorDetails === ''
      ? key
      : `${key}\u0002${this.error}\u0001${this.errorDetails}`;
  }

  /** Index of `name` among the parsed labels, or -1. */
  #parsedAt(name: string): number {
    if (this.parsedCount > searchedMax) {
      for (; this.#placedCount < this.parsedCount; this.#placedCount++) {
        this.#places.set(this.parsedNames[this.#placedCount], this.#placedCount);
      }
      return this.#places.get(name) ?? -1;
    }
    for (let i = 0; i < this.parsedCount; i++) if (this.parsedNames[i] === name) return i;
    return -1;
  }

  #forgetPlaces(): void {
    this.#places.clear();
    this.#placedCount = 0;
  }

  #hide(name: string, cause: number): void {
    const at = this.base.indexOf(name);
    if (at >= 0) this.#hideAt(at, cause);
  }

  #hideAt(index: number, cause: number): void {
    if (this.#hidden[index] === 0) this.hiddenCount++;
    this.#hidden[index] = cause;
  }

  #add(name: string, value: string): void {
    this.parsedNames[this.parsedCount] = name;
    this.parsedValues[this.parsedCount] = value;
    this.parsedCount++;
  }
}
