/** Seeded random numbers for simulations and generated tests. */
import type { Random } from '@loki/ports';

/**
 * Seeded randomness: sfc32, 128 bits of state. Equal seeds give equal sequences on every platform.
 * Not for secrets.
 */
export class Prng implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed any text or number; a fork's name is part of it */
  constructor(seed: string | number) {
    const text = String(seed);
    this.#a = mix(text, 0x9e3779b9);
    this.#b = mix(text, 0x243f6a88);
    this.#c = mix(text, 0xb7e15162);
    // The first outputs of similar seeds are related; a dozen steps separate them.
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) >>> 0) + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }

  float(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = this.uint32() & 0xff;
    return out;
  }

  /** Uniform in from .. to, both inclusive. */
  int(from: number, to: number): number {
    return from + Math.floor(this.float() * (to - from + 1));
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.float() < p;
  }

  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)];
  }

  /** An independent sequence: the draws of one component must not shift those of another. */
  fork(name: string): Prng {
    return new Prng(`${this.uint32()}/${name}`);
  }
}

function mix(text: string, start: number): number {
  let hash = start >>> 0;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x85ebca6b);
    hash = (hash ^ (hash >>> 13)) >>> 0;
  }
  return hash;
}
