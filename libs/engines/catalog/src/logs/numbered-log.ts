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
  /** Folds the next manifest; throws LokiError `corrupt` when it cannot be the next. */
  fold(manifest: Manifest): void;
  /**
   * Folds a placeholder for a damaged manifest, when the state can bound the missing content; false: it
   * cannot. Absent: it never can.
   */
  foldDamaged?(number: number, bytes: Uint8Array, error: LokiError): boolean;
  /** The content of a damaged manifest is missing: no checkpoint, because it would hide the gap. */
  readonly isDamaged?: boolean;
  encodeManifest(manifest: Manifest): Buffer;
  decodeManifest(bytes: Uint8Array, key: string): Manifest;
  /** The bytes of a checkpoint; equal manifests give equal bytes. */
  encodeCheckpoint(): Buffer;
  /**
   * Replaces the state by a checkpoint's; throws LokiError `corrupt` and changes nothing when the checkpoint
   * is damaged.
   */
  decodeCheckpoint(bytes: Uint8Array, key: string): void;
}

/** Checkpoints of the state of one log, in parts. */
interface LogCheckpoints {
  /** The newest sound one that is ahead of the state takes its place. @returns its number */
  load(signal?: AbortSignal): Promise<number | undefined>;
  /** @param checkpoints those in the store, ascending. @returns false: it could not be written now */
  write(checkpoints: readonly number[], signal?: AbortSignal): Promise<boolean>;
  isSound(number: number, signal?: AbortSignal): Promise<boolean>;
}

interface NumberedLogOptions<Manifest> extends LogKeys {
  readonly objectStore: ObjectStore;
  readonly state: FoldedLog<Manifest>;
  /**
   * Absent: each checkpoint is one object, of a log that stays small and whose manifests are never removed.
   */
  readonly checkpoints?: LogCheckpoints;
  readonly eraSize?: number;
  /** Manifests from one checkpoint to the next. Default 256. */
  readonly checkpointEvery?: number;
  /** Maximum of attempts of an append. Default 32, for few writers with rare commits. */
  readonly attemptsMax?: number;
}

/** Maximum of attempts: other writers may commit first, but more in a row than this is a fault. */
const attemptsMaxDefault = 32;
/** Number of checkpoints in the store: a reader may still read the one before the last. */
const checkpointsKept = 2;
/** Maximum of restarts of one load because manifests were removed ahead of the reader. */
const reloadsMax = 8;

/**
 * A log of numbered objects, each created once by create-if-absent: the creator of the next number has
 * committed. Checkpoints keep the log short for readers. Manifests are never changed; those of eras that
 * checkpoints cover are removed (`NumberedObjects`), if the log has seals.
 *
 * Calls run one after another. Each throws the store's error, and may then be repeated.
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

  /** Reads the commits of all processes: one request to the store when there is no new one. */
  load(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#load(signal));
  }

  /**
   * Adds the next manifest.
   *
   * @param make makes the manifest for the present state; called again after each commit of another process.
   *   undefined: no change is needed, for example because an earlier attempt whose answer was lost has
   *   committed it
   * @returns the manifest that was added, or undefined
   */
  append(
    make: (number: number) => Manifest | undefined,
    signal?: AbortSignal,
  ): Promise<Manifest | undefined> {
    return this.#inTurn(async () => {
      const { state, manifestPrefix, sealPrefix, attemptsMax = attemptsMaxDefault } = this.#options;
      // A created manifest proves that the state was the newest one. Only an outcome without one needs the
      // proof that the next number was never created, which is a further request.
      let isProven = sealPrefix === undefined;
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        await this.#load(signal, isProven);
        const number = state.number + 1;
        let manifest: Manifest | undefined;
        try {
          manifest = make(number);
        } catch (error) {
          if (isProven) throw error;
        }
        if (manifest === undefined) {
          if (isProven) return undefined;
          isProven = true;
          continue;
        }
        const bytes = state.encodeManifest(manifest);
        const outcome = await this.#objects.create(number, bytes, signal);
        if (outcome === 'sealed') isProven = true;
        if (outcome !== 'created') continue;
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
    const { objectStore, state, manifestPrefix, checkpointPrefix, sealPrefix, checkpoints } = this.#options;
    if (sealPrefix === undefined || !checkpoints) return;
    const last = this.#lastRemoval;
    if (last && !last.isPending && state.number < last.nextLast) return;
    const isSound = (number: number): Promise<boolean> => checkpoints.isSound(number, signal);
    const keys = { manifestPrefix, checkpointPrefix, sealPrefix };
    const log = { objectStore, keys, isSound, eraSize: this.#options.eraSize };
    this.#lastRemoval = await removeCovered(log, options, signal);
  }

  /** @param isProven the last number that is read is the newest one, also when later ones were removed */
  async #load(signal: AbortSignal | undefined, isProven = true): Promise<void> {
    const { state, manifestPrefix } = this.#options;
    if (!this.#isLoaded) {
      await this.#loadCheckpoint(signal);
      this.#isLoaded = true;
    }
    for (let attempt = 0; attempt < reloadsMax; attempt++) {
      const take = (key: string, bytes: Buffer) => this.#take(key, bytes, signal);
      if ((await this.#objects.read(state.number + 1, take, { isProven, signal })) === 'end') return;
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
      // Two equal reads: the object is damaged in the store, not in transit.
      if (!isDamage || !state.foldDamaged || !(await objectStore.get(key, signal)).equals(bytes)) throw error;
      if (!state.foldDamaged(state.number + 1, bytes, error)) throw error;
      return;
    }
    state.fold(manifest);
  }

  async #loadCheckpoint(signal: AbortSignal | undefined): Promise<void> {
    const { objectStore, state, checkpointPrefix, checkpoints } = this.#options;
    if (checkpoints) {
      this.#checkpoint = (await checkpoints.load(signal)) ?? this.#checkpoint;
      return;
    }
    for (const number of (await this.#checkpoints()).reverse()) {
      if (number <= state.number) return;
      const key = numbered(checkpointPrefix, number);
      try {
        state.decodeCheckpoint(await objectStore.get(key, signal), key);
        this.#checkpoint = number;
        return;
      } catch (error) {
        // Damaged, or just removed by another process: the checkpoint before it, or the manifests, have the
        // same content.
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
    if (this.#options.checkpoints) {
      if (await this.#options.checkpoints.write(checkpoints, signal)) this.#checkpoint = state.number;
      return;
    }
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
    this.#turn = done.catch(() => undefined); // the caller gets the failure from `done`
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
