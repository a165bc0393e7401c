/** A log of numbered objects in the store, with checkpoints: deletes, compactions, shards of streams. */
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { numbered } from './keys.ts';
import { NumberedObjects, numbersOf, removeCovered, uncovered } from './numbered-objects.ts';
import type { LogKeys, Removal, RemovalOptions } from './numbered-objects.ts';

/** The state that the manifests of a log fold to. */
export interface FoldedLog<Manifest> {
  /** Of the last manifest folded; 0: none. */
  number: number;
  /** Takes the next manifest; throws LokiError `corrupt` when it cannot be the next. */
  fold(manifest: Manifest): void;
  /**
   * Takes the place of a manifest that is damaged in the store, when the state can tell what is unknown
   * without it; false: it cannot. Absent: it never can.
   */
  foldDamaged?(number: number, bytes: Uint8Array, error: LokiError): boolean;
  /** Something is unknown: a checkpoint would hide that. */
  readonly isDamaged?: boolean;
  encodeManifest(manifest: Manifest): Buffer;
  decodeManifest(bytes: Uint8Array, key: string): Manifest;
  /** Everything folded so far; equal manifests give equal bytes. */
  encodeCheckpoint(): Buffer;
  /**
   * Takes the place of what was folded; throws LokiError `corrupt` and changes nothing when it is damaged.
   */
  decodeCheckpoint(bytes: Uint8Array, key: string): void;
}

interface NumberedLogOptions<Manifest> extends LogKeys {
  readonly objectStore: ObjectStore;
  readonly state: FoldedLog<Manifest>;
  /** An empty state, to prove that a checkpoint is sound. Absent: manifests are never removed. */
  readonly emptyState?: () => FoldedLog<Manifest>;
  readonly eraSize?: number;
  /** Manifests from one checkpoint to the next. Default 256. */
  readonly checkpointEvery?: number;
  /** Most attempts of an append. Default 32: of a few writers that commit now and then. */
  readonly attemptsMax?: number;
}

/** Most attempts: others may commit first, but more in a row than this is a fault. */
const attemptsMaxDefault = 32;
/** Kept checkpoints: a reader may be reading the one before the last. */
const checkpointsKept = 2;
/** Most times that a reader finds itself behind the removal of manifests during one load. */
const reloadsMax = 8;

/**
 * A log of numbered objects, each created once by create-if-absent: the creator of the next number has
 * committed. Kept short for readers by checkpoints. Manifests are never changed; those of eras that
 * checkpoints cover are removed (`NumberedObjects`), if the log has seals.
 *
 * Calls take turns; they throw what the store throws and may then be repeated.
 */
export class NumberedLog<Manifest> {
  readonly #options: NumberedLogOptions<Manifest>;
  #isLoaded = false;
  #checkpoint = 0;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #objects: NumberedObjects;
  #lastRemoval: Removal | undefined;

  constructor(options: NumberedLogOptions<Manifest>) {
    this.#options = options;
    this.#objects = new NumberedObjects(options.objectStore, options, options.eraSize);
  }

  /** Catches up with what anybody has committed: one request to the store when there is nothing new. */
  load(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#load(signal));
  }

  /**
   * Adds the next manifest.
   *
   * @param make asked again whenever others were faster, against the state with their manifests; undefined:
   *   there is nothing (more) to add, be it that an earlier attempt whose answer was lost has done it
   * @returns the manifest that was added, or undefined
   */
  append(
    make: (number: number) => Manifest | undefined,
    signal?: AbortSignal,
  ): Promise<Manifest | undefined> {
    return this.#inTurn(async () => {
      const { state, manifestPrefix, attemptsMax = attemptsMaxDefault } = this.#options;
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        await this.#load(signal);
        const number = state.number + 1;
        const manifest = make(number);
        if (manifest === undefined) return undefined;
        const bytes = state.encodeManifest(manifest);
        if ((await this.#objects.create(number, bytes, signal)) !== 'created') continue;
        state.fold(manifest);
        // The manifest stands; a checkpoint that fails now is written after a later one.
        await this.#writeCheckpoint(signal).catch(() => undefined);
        return manifest;
      }
      throw new LokiError('unavailable', `catalog: ${manifestPrefix}: other processes kept committing first`);
    });
  }

  /** Removes manifests that checkpoints cover. Costs no request while no further era is covered. */
  async removeCovered(options: RemovalOptions, signal?: AbortSignal): Promise<void> {
    const { objectStore, state, manifestPrefix, checkpointPrefix, sealPrefix, emptyState } = this.#options;
    if (sealPrefix === undefined || !emptyState) return;
    const last = this.#lastRemoval;
    if (last && !last.isPending && state.number < last.nextLast) return;
    const isSound = (number: number): Promise<boolean> => {
      const key = numbered(checkpointPrefix, number);
      return isReadable(objectStore, key, (bytes) => emptyState().decodeCheckpoint(bytes, key), signal);
    };
    const keys = { manifestPrefix, checkpointPrefix, sealPrefix };
    const log = { objectStore, keys, isSound, eraSize: this.#options.eraSize };
    this.#lastRemoval = await removeCovered(log, options, signal);
  }

  async #load(signal: AbortSignal | undefined): Promise<void> {
    const { state, manifestPrefix } = this.#options;
    if (!this.#isLoaded) {
      await this.#loadCheckpoint(signal);
      this.#isLoaded = true;
    }
    for (let attempt = 0; attempt < reloadsMax; attempt++) {
      const take = (key: string, bytes: Buffer) => this.#take(key, bytes, signal);
      if ((await this.#objects.read(state.number + 1, take, signal)) === 'end') return;
      const { number } = state;
      await this.#loadCheckpoint(signal);
      if (state.number === number) throw uncovered(manifestPrefix);
    }
    throw new LokiError('unavailable', `catalog: ${manifestPrefix}: manifests are removed faster than read`);
  }

  async #take(key: string, bytes: Buffer, signal: AbortSignal | undefined): Promise<void> {
    const { objectStore, state } = this.#options;
    let manifest: Manifest;
    try {
      manifest = state.decodeManifest(bytes, key);
    } catch (error) {
      const isDamage = error instanceof LokiError && error.code === 'corrupt';
      // Read twice alike: it is damaged in the store, and not on its way here.
      if (!isDamage || !state.foldDamaged || !(await objectStore.get(key, signal)).equals(bytes)) throw error;
      if (!state.foldDamaged(state.number + 1, bytes, error)) throw error;
      return;
    }
    state.fold(manifest);
  }

  async #loadCheckpoint(signal: AbortSignal | undefined): Promise<void> {
    const { objectStore, state, checkpointPrefix } = this.#options;
    for (const number of (await this.#checkpoints()).reverse()) {
      if (number <= state.number) return;
      const key = numbered(checkpointPrefix, number);
      try {
        state.decodeCheckpoint(await objectStore.get(key, signal), key);
        this.#checkpoint = number;
        return;
      } catch (error) {
        // Damaged, or just removed by another process: the one before it, or the manifests, say the same.
        if (!isUnreadable(error)) throw error;
      }
    }
  }

  async #writeCheckpoint(signal: AbortSignal | undefined): Promise<void> {
    const { objectStore, state, checkpointPrefix, checkpointEvery = 256 } = this.#options;
    if (state.isDamaged || state.number < this.#checkpoint + checkpointEvery) return;
    const checkpoints = await this.#checkpoints();
    this.#checkpoint = Math.max(this.#checkpoint, checkpoints.at(-1) ?? 0);
    if (state.number < this.#checkpoint + checkpointEvery) return;
    const key = numbered(checkpointPrefix, state.number);
    await objectStore.putIfAbsent(key, state.encodeCheckpoint(), signal);
    this.#checkpoint = state.number;
    const old = checkpoints.slice(0, Math.max(0, checkpoints.length + 1 - checkpointsKept));
    for (const number of old) await objectStore.delete(numbered(checkpointPrefix, number));
  }

  #checkpoints(): Promise<number[]> {
    return numbersOf(this.#options.objectStore, this.#options.checkpointPrefix);
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => undefined); // the caller hears of it through `done`
    return done;
  }
}

/** False: the object is damaged or missing. */
export async function isReadable(
  store: Pick<ObjectStore, 'get'>,
  key: string,
  read: (bytes: Buffer) => void,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    read(await store.get(key, signal));
    return true;
  } catch (error) {
    if (isUnreadable(error)) return false;
    throw error;
  }
}

/** The object is damaged, or gone. */
export function isUnreadable(error: unknown): error is LokiError {
  return error instanceof LokiError && (error.code === 'corrupt' || error.code === 'notFound');
}
