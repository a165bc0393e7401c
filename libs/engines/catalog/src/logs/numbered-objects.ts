/** The numbered objects of a log: read ahead, created once, removed by eras once checkpoints cover them. */
import { ByteWriter } from '@loki/bytes';
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { numbered, numberOf } from './keys.ts';
import { appendChecksum, decode } from './manifest.ts';

/** Objects fetched side by side while catching up. */
const fetchesMax = 16;
/** Objects deleted side by side. */
const deletesMax = 16;
/** Manifests of an era. A part of the format: every process of a store uses the same value. */
const eraSizeDefault = 4_096;
/** `LNE1`, as `LSE1` marks steps of streams. The last byte is the version. */
const magic = 0x3145_4e4c;

/** Keys of a log whose old manifests are removed. */
export interface LogKeys {
  /** Keys are `<prefix><number, 20 digits>`. */
  readonly manifestPrefix: string;
  readonly checkpointPrefix: string;
  /** Absent: manifests of this log are never removed, and no reader looks for seals. */
  readonly sealPrefix?: string;
}

/** A fetched object. */
interface Fetched {
  readonly number: number;
  readonly key: string;
  readonly bytes: Buffer;
}

/**
 * The manifests of a log.
 *
 * Old ones are removed by *eras* of equal size. A seal is created before the first object of an era is
 * deleted, eras are sealed in their order, and a seal is never deleted. So when a reader reads, misses or
 * creates a manifest and the era's seal is absent *afterwards*, no object of the era had been deleted: a
 * missing number was never created, and a created one is the first with its number. The proof needs no clock:
 * it holds for a process that was paused between any two requests.
 */
export class NumberedObjects {
  readonly #store: Pick<ObjectStore, 'get' | 'putIfAbsent' | 'delete'>;
  readonly #keys: Pick<LogKeys, 'manifestPrefix' | 'sealPrefix'>;
  readonly #eraSize: number;

  constructor(
    store: Pick<ObjectStore, 'get' | 'putIfAbsent' | 'delete'>,
    keys: Pick<LogKeys, 'manifestPrefix' | 'sealPrefix'>,
    eraSize = eraSizeDefault,
  ) {
    this.#store = store;
    this.#keys = keys;
    this.#eraSize = eraSize;
  }

  /**
   * Reads objects in order, from a number up to the first missing one. Gets them by name: numbers have no
   * gaps, a listing of a directory reads all of it, and a listing of a bucket costs twelve times as much as a
   * get. The first gets run one by one, because mostly no or one object is new; later ones run side by side.
   *
   * @param isProven false: the caller creates the first missing number, which proves that it was missing;
   *   then `end` alone does not. Default true
   * @returns `sealed` when the next objects may have been removed: a checkpoint covers them. Objects read
   *   before are sound
   * @throws the failure of a get, after the objects before it were read
   */
  async read(
    first: number,
    take: (key: string, bytes: Buffer) => void | Promise<void>,
    { isProven = true, signal }: { readonly isProven?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<'end' | 'sealed'> {
    let pending: readonly Fetched[] = [];
    for (let from = first, round = 0; ; round++) {
      signal?.throwIfAborted();
      // One, one, two, four …
      const count = Math.min(2 ** Math.max(0, round - 1), fetchesMax);
      const [isSealed, next] = await Promise.all([
        pending.length > 0 && this.#isSealed(pending[0].number, signal),
        this.#fetch(from, count, signal),
      ]);
      if (isSealed) return 'sealed';
      for (const { key, bytes } of pending) await take(key, bytes);
      pending = next.objects;
      from += count;
      if (pending.length === count) continue;
      const missing = next.failure === undefined && isProven ? from - count : undefined;
      const doubtful = pending[0]?.number ?? missing;
      if (doubtful !== undefined && (await this.#isSealed(doubtful, signal))) return 'sealed';
      for (const { key, bytes } of pending) await take(key, bytes);
      if (next.failure !== undefined) throw next.failure;
      return 'end';
    }
  }

  /**
   * Creates the object of a number.
   *
   * @returns `taken` when the number exists; `sealed` when its manifest was removed earlier: no reader reads
   *   the object created now, and the caller has to read a checkpoint
   */
  async create(
    number: number,
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<'created' | 'taken' | 'sealed'> {
    const key = numbered(this.#keys.manifestPrefix, number);
    if (!(await this.#store.putIfAbsent(key, bytes, signal))) return 'taken';
    if (!(await this.#isSealed(number, signal))) return 'created';
    await this.#store.delete(key).catch(() => undefined); // no reader reads it; it only occupies space
    return 'sealed';
  }

  /** The objects up to the first that is missing or fails. */
  async #fetch(
    from: number,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly objects: Fetched[]; readonly failure?: unknown }> {
    const keys = Array.from({ length: count }, (_, i) => numbered(this.#keys.manifestPrefix, from + i));
    const fetched = await Promise.allSettled(keys.map((key) => this.#store.get(key, signal)));
    const objects: Fetched[] = [];
    for (const [i, result] of fetched.entries()) {
      if (result.status !== 'fulfilled') {
        return isMissing(result.reason) ? { objects } : { objects, failure: result.reason };
      }
      objects.push({ number: from + i, key: keys[i], bytes: result.value });
    }
    return { objects };
  }

  async #isSealed(number: number, signal: AbortSignal | undefined): Promise<boolean> {
    const { sealPrefix } = this.#keys;
    if (sealPrefix === undefined) return false;
    try {
      await this.#store.get(sealKey(sealPrefix, eraOf(number, this.#eraSize)), signal);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }
}

/** The outcome of a removal of old manifests. */
export interface Removal {
  readonly sealedEras: number;
  readonly removedObjects: number;
  /** Last number of the era that is sealed next. */
  readonly nextLast: number;
  /** A seal is too young: a later call removes its era. */
  readonly isPending: boolean;
}

/** How old manifests are removed. */
export interface RemovalOptions {
  readonly nowMs: number;
  /**
   * Age of a seal at which its era is deleted. Readers of this version do not need the delay. It protects
   * readers of the former version, which does not know seals, during an upgrade.
   */
  readonly removeAfterMs: number;
  /** Called between two steps; the simulator injects faults here. */
  readonly afterStep?: () => Promise<void>;
}

/** A log whose manifests are removed. */
interface RemovableLog {
  readonly objectStore: ObjectStore;
  readonly keys: Required<LogKeys>;
  readonly eraSize?: number;
  /** Decodes a checkpoint; false: it is damaged. */
  isSound(number: number): Promise<boolean>;
}

/**
 * Removes the manifests of eras that two sound checkpoints cover; a damaged checkpoint covers none. Any
 * process may call it at any time, also two at the same time: seals are created once, and deleting twice is
 * harmless.
 */
export async function removeCovered(
  log: RemovableLog,
  options: RemovalOptions,
  signal?: AbortSignal,
): Promise<Removal> {
  const { objectStore: store, keys, eraSize = eraSizeDefault } = log;
  const { nowMs, afterStep } = options;
  const checkpoints = await numbersOf(store, keys.checkpointPrefix);
  const covered = checkpoints.at(-2) ?? 0;
  const seals = await numbersOf(store, keys.sealPrefix);
  const firstEra = (seals.at(-1) ?? -1) + 1;
  let nextEra = firstEra;
  if (lastOf(nextEra, eraSize) <= covered && (await areSound(checkpoints.slice(-2)))) {
    // In order: a seal proves that all eras before it are sealed.
    for (; lastOf(nextEra, eraSize) <= covered; nextEra++) {
      signal?.throwIfAborted();
      const seal = encodeSeal(nextEra, nowMs);
      await store.putIfAbsent(sealKey(keys.sealPrefix, nextEra), seal, signal);
      await afterStep?.();
    }
  }
  const removed = await removeSealed(log, nextEra, options, signal);
  return { ...removed, sealedEras: nextEra - firstEra, nextLast: lastOf(nextEra, eraSize) };

  async function areSound(numbers: readonly number[]): Promise<boolean> {
    for (const number of numbers) if (!(await log.isSound(number))) return false;
    return true;
  }
}

/**
 * Deletes the objects of sealed eras below `eraEnd`; after a crash the next removal deletes the remaining
 * ones.
 */
async function removeSealed(
  { objectStore: store, keys: { manifestPrefix, sealPrefix }, eraSize = eraSizeDefault }: RemovableLog,
  eraEnd: number,
  { nowMs, removeAfterMs, afterStep }: RemovalOptions,
  signal: AbortSignal | undefined,
): Promise<Pick<Removal, 'removedObjects' | 'isPending'>> {
  let removedObjects = 0;
  let batch: string[] = [];
  let era = -1;
  let isPending = false;
  const removeBatch = async (): Promise<void> => {
    signal?.throwIfAborted();
    await Promise.all(batch.map((key) => store.delete(key)));
    removedObjects += batch.length;
    batch = [];
    await afterStep?.();
  };
  for await (const { key } of store.list(manifestPrefix)) {
    const number = numberOf(key);
    if (number === undefined) continue;
    if (eraOf(number, eraSize) !== era) {
      era = eraOf(number, eraSize);
      if (era >= eraEnd) break;
      const seal = sealKey(sealPrefix, era);
      isPending = nowMs - decodeSeal(await store.get(seal, signal), seal).createdMs < removeAfterMs;
      if (isPending) break;
    }
    batch.push(key);
    if (batch.length >= deletesMax) await removeBatch();
  }
  if (batch.length > 0) await removeBatch();
  return { removedObjects, isPending };
}

/** Numbers of the objects below a prefix, ascending. */
export async function numbersOf(store: Pick<ObjectStore, 'list'>, prefix: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { key } of store.list(prefix)) {
    const number = numberOf(key);
    if (number !== undefined) numbers.push(number);
  }
  return numbers;
}

/** No readable checkpoint covers the removed manifests. */
export function uncovered(prefix: string): LokiError {
  return new LokiError(
    'unavailable',
    `catalog: ${prefix}: old manifests were removed, and no sound checkpoint covers them`,
  );
}

function eraOf(number: number, eraSize: number): number {
  return Math.floor((number - 1) / eraSize);
}

function lastOf(era: number, eraSize: number): number {
  return (era + 1) * eraSize;
}

function sealKey(prefix: string, era: number): string {
  return numbered(prefix, era);
}

/** The seal of an era; eras count from 0. */
export function encodeSeal(era: number, createdMs: number): Buffer {
  const writer = new ByteWriter(32);
  writer.u32(magic);
  writer.uvarint(era);
  writer.uvarint(createdMs);
  return appendChecksum(writer);
}

/** @throws LokiError `corrupt`, naming `key` */
export function decodeSeal(bytes: Uint8Array, key: string): { era: number; createdMs: number } {
  return decode(bytes, key, magic, (reader) => ({ era: reader.uvarint(), createdMs: reader.uvarint() }));
}

function isMissing(error: unknown): boolean {
  return error instanceof LokiError && error.code === 'notFound';
}
