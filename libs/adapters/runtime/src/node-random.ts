/** The port Random with cryptographic randomness. */
import { randomBytes, randomFillSync } from 'node:crypto';
import type { Random } from '@loki/ports';

/** Random bytes that are read from the system at once, because a system call for each number is expensive. */
const poolBytes = 4096;

/**
 * The port Random by the operating system's cryptographic generator, read in blocks: about as cheap as
 * `Math.random`.
 */
export class NodeRandom implements Random {
  readonly #pool = Buffer.alloc(poolBytes);
  #at = poolBytes;

  /** 53 random bits, the precision of a double below 1. */
  float(): number {
    return (this.uint32() * 2 ** 21 + (this.uint32() >>> 11)) / 2 ** 53;
  }

  uint32(): number {
    if (this.#at === poolBytes) {
      randomFillSync(this.#pool);
      this.#at = 0;
    }
    const value = this.#pool.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  bytes(count: number): Uint8Array {
    return randomBytes(count);
  }
}
