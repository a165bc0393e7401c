/** Maps keys of parsed lines to label names, by their bytes. */
import { utf8Text } from '../common/byte-text.ts';
import { sanitizeLabelName } from '../common/label-name.ts';
import type { NeededLabels } from './needed-labels.ts';

/** Most distinct keys; then the table is cleared, so that hostile lines cannot fill memory. */
const keysMax = 8192;

/**
 * The keys of parsed lines with their label names. A key that repeats in every line is hashed and compared as
 * bytes and never decoded again.
 */
export class KeyTable {
  /** The parent of top-level keys. */
  static readonly root = -1;
  readonly #needed: NeededLabels;
  /** Open addressing: index into the arrays below + 1; 0 is free. */
  #slots = new Int32Array(1024);
  #parents: number[] = [];
  /** Bytes of each key. */
  bytes: Buffer[] = [];
  /** Label name of each key, with its parents' names before it. */
  names: string[] = [];
  /** Per key: whether a scalar value of this key is needed. */
  isWanted: boolean[] = [];
  /** Per key: whether a field below this key is needed. */
  isWantedBelow: boolean[] = [];
  /** Per key + 1 (0: the start of the root object): the key that followed last time. */
  #next: number[] = [-1];
  /** Per key + 1: the key that was first in its object last time. */
  #firstBelow: number[] = [-1];

  constructor(needed: NeededLabels) {
    this.#needed = needed;
  }

  /** The number of the key bytes[start..end) under `parent`. Numbers are valid until the next `startLine`. */
  lookup(parent: number, bytes: Buffer, start: number, end: number): number {
    let hash = Math.imul(parent + 7, 0x9e3779b1);
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]) | 0;
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = this.#slots[slot] - 1;
      if (index < 0) return this.#insert(slot, parent, bytes, start, end);
      if (this.#parents[index] === parent && equalBytes(this.bytes[index], bytes, start, end)) return index;
    }
  }

  /**
   * The most likely next key, because lines of one program have the same keys in the same order; -1: unknown.
   *
   * @param previous the previous key in the same object, or -1
   */
  guess(parent: number, previous: number): number {
    return previous < 0 ? this.#firstBelow[parent + 1] : this.#next[previous + 1];
  }

  /** The path of a key: its parents, then the key. */
  pathOf(key: number): string[] {
    const path: string[] = [];
    for (let id = key; id !== KeyTable.root; id = this.#parents[id]) {
      path.push(utf8Text(this.bytes[id], 0, this.bytes[id].length));
    }
    return path.reverse();
  }

  learn(parent: number, previous: number, key: number): void {
    if (previous < 0) this.#firstBelow[parent + 1] = key;
    else this.#next[previous + 1] = key;
  }

  /**
   * The length of the key if the bytes at `at` are exactly the key and a closing quote; else -1. Keys with
   * escapes never match.
   */
  lengthAt(key: number, parent: number, bytes: Buffer, at: number, end: number): number {
    const expected = this.bytes[key];
    const { length } = expected;
    if (this.#parents[key] !== parent || at + length >= end || bytes[at + length] !== 0x22) return -1;
    for (let i = 0; i < length; i++) if (expected[i] !== bytes[at + i] || expected[i] === 0x5c) return -1;
    return length;
  }

  /** Starts a line: clears the table when it is full. */
  startLine(): void {
    if (this.names.length < keysMax) return;
    this.#slots = new Int32Array(1024);
    this.#parents = [];
    this.bytes = [];
    this.names = [];
    this.isWanted = [];
    this.isWantedBelow = [];
    this.#next = [-1];
    this.#firstBelow = [-1];
  }

  #insert(slot: number, parent: number, bytes: Buffer, start: number, end: number): number {
    const id = this.names.length;
    const key = utf8Text(bytes, start, end);
    const isNested = parent !== KeyTable.root;
    const name = isNested ? `${this.names[parent]}_${sanitizeLabelName(key, true)}` : sanitizeLabelName(key);
    this.names.push(name);
    this.#parents.push(parent);
    this.bytes.push(Buffer.from(bytes.subarray(start, end)));
    this.isWanted.push(name !== '' && this.#needed.wants(name));
    this.isWantedBelow.push(this.#needed.wantsBelow(name));
    this.#next.push(-1);
    this.#firstBelow.push(-1);
    this.#slots[slot] = id + 1;
    if (this.names.length * 2 > this.#slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let id = 0; id < this.names.length; id++) {
      const key = this.bytes[id];
      let hash = Math.imul(this.#parents[id] + 7, 0x9e3779b1);
      for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key[i]) | 0;
      hash ^= hash >>> 15;
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }
}

function equalBytes(key: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false;
  return true;
}
