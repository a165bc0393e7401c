/** A virtual object store with faults. */
import { LokiError } from '@loki/model';
import type { ObjectInfo, ObjectStore } from '@loki/ports';
import type { Prng } from './prng.ts';
import type { VirtualProcess } from './virtual-process.ts';

/** Faults of the store. Probabilities are per call. */
export interface StoreFaults {
  /** Refused without any effect. */
  errorBefore: number;
  /** Done, but the caller gets an error. */
  answerLost: number;
  /** One bit of a read is wrong; a second read may be right. */
  bitFlip: number;
  /**
   * The form of a bit flip; `unseen` damages bytes without changing their CRC32C: as if no reader checked it.
   */
  flipShape: 'bit' | 'unseen';
  /** Every call fails while this is set. */
  down: boolean;
  /** A call takes between these, uniform; a hundredth of calls ten times as long. */
  delayMinMs: number;
  delayMaxMs: number;
}

/** A store without faults that answers within 20 ms. */
export const noStoreFaults: StoreFaults = {
  errorBefore: 0,
  answerLost: 0,
  bitFlip: 0,
  flipShape: 'bit',
  down: false,
  delayMinMs: 1,
  delayMaxMs: 20,
};

/** The bucket, which outlives all processes. Listings are in byte order of keys. */
export class VirtualBucket {
  readonly objects = new Map<string, Buffer>();
  faults: StoreFaults = { ...noStoreFaults };
  readonly random: Prng;
  /**
   * Keys whose bytes a plain `put` changed: immutable objects must not be among them. A retry puts the same
   * bytes.
   */
  readonly overwritten: string[] = [];

  constructor(random: Prng) {
    this.random = random;
  }

  /** The bucket as one process reaches it. */
  client(process: VirtualProcess): ObjectStore {
    return new BucketClient(this, process);
  }
}

class BucketClient implements ObjectStore {
  readonly #bucket: VirtualBucket;
  readonly #process: VirtualProcess;

  constructor(bucket: VirtualBucket, process: VirtualProcess) {
    this.#bucket = bucket;
    this.#process = process;
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const copy = Buffer.from(bytes);
    await this.#write(`put ${key}`, signal, () => {
      const before = this.#bucket.objects.get(key);
      if (before && !before.equals(copy)) this.#bucket.overwritten.push(key);
      this.#bucket.objects.set(key, copy);
    });
  }

  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    const copy = Buffer.from(bytes);
    return this.#write(`putIfAbsent ${key}`, signal, () => {
      if (this.#bucket.objects.has(key)) return false;
      this.#bucket.objects.set(key, copy);
      return true;
    });
  }

  get(key: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#read(`get ${key}`, signal, () => this.#flip(this.#object(key)));
  }

  getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    return this.#read(`getRange ${key}`, signal, () =>
      this.#flip(this.#object(key).subarray(offset, offset + length)),
    );
  }

  getTail(key: string, length: number, signal?: AbortSignal): Promise<{ bytes: Buffer; sizeBytes: number }> {
    return this.#read(`getTail ${key}`, signal, () => {
      const object = this.#object(key);
      const bytes = this.#flip(object.subarray(Math.max(0, object.length - length)));
      return { bytes, sizeBytes: object.length };
    });
  }

  async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    const objects = await this.#read(`list ${prefix}`, undefined, () =>
      [...this.#bucket.objects]
        .filter(([key]) => key.startsWith(prefix) && (startAfter === undefined || key > startAfter))
        .map(([key, bytes]) => ({ key, sizeBytes: bytes.length }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
    );
    yield* objects;
  }

  async delete(key: string): Promise<void> {
    await this.#write(`delete ${key}`, undefined, () => void this.#bucket.objects.delete(key));
  }

  /**
   * A write travels to the store, is done there whether or not the sender still lives, and the answer travels
   * back: two events, so that a crash may come between.
   */
  #write<T>(label: string, signal: AbortSignal | undefined, apply: () => T): Promise<T> {
    const { random } = this.#bucket;
    const outwardMs = this.#delay();
    const backMs = this.#delay();
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const answer = (settle: () => void) => void this.#process.after(backMs, `answer ${label}`, settle);
      // Aborting affects the caller only: a request on its way still arrives.
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#process.scheduler.after(outwardMs, `store ${label}`, () => {
        const { faults } = this.#bucket; // The content at the moment of arrival.
        if (faults.down || random.chance(faults.errorBefore)) return answer(() => reject(storeError(label)));
        const result = apply();
        if (random.chance(faults.answerLost)) {
          return answer(() => reject(storeError(`${label} (answer lost)`)));
        }
        answer(() => resolve(result));
      });
    });
  }

  #read<T>(label: string, signal: AbortSignal | undefined, look: () => T): Promise<T> {
    const { random } = this.#bucket;
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#process.after(this.#delay(), `store ${label}`, () => {
        const { faults } = this.#bucket;
        if (faults.down || random.chance(faults.errorBefore)) return reject(storeError(label));
        try {
          resolve(look());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #object(key: string): Buffer {
    const object = this.#bucket.objects.get(key);
    if (!object) throw new LokiError('notFound', `no object ${key}`);
    return object;
  }

  /** Always a copy: writing into a read must not change the stored bytes. */
  #flip(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes);
    const { faults, random } = this.#bucket;
    if (copy.length > 0 && random.chance(faults.bitFlip)) {
      if (faults.flipShape === 'bit') copy[random.int(0, copy.length - 1)] ^= 1 << random.int(0, 7);
      else flipUnseen(copy, random);
    }
    return copy;
  }

  #delay(): number {
    const { faults, random } = this.#bucket;
    const delay = faults.delayMinMs + random.float() * (faults.delayMaxMs - faults.delayMinMs);
    return random.chance(0.01) ? delay * 10 : delay;
  }
}

function storeError(label: string): LokiError {
  return new LokiError('unavailable', `object store failed: ${label}`);
}

/**
 * Castagnoli's polynomial, all 33 bits of it, as bytes in the order in which CRC32C takes bits (lowest
 * first). A CRC is a remainder by this polynomial, so adding it anywhere changes the bytes and not the
 * checksum.
 */
const unseenPattern = [0xf1, 0x76, 0xec, 0x05, 0x01] as const;

function flipUnseen(bytes: Buffer, random: Prng): void {
  if (bytes.length < unseenPattern.length) return;
  const at = random.int(0, bytes.length - unseenPattern.length);
  for (let i = 0; i < unseenPattern.length; i++) bytes[at + i] ^= unseenPattern[i];
}
