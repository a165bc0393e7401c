import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { numberOf, numbered } from './keys.ts';

/** What the entries of a log come to. */
export interface FoldedLog<Entry> {
  /** Of the last entry folded; 0: none. */
  number: number;
  /** Takes the next entry; throws LokiError `corrupt` when it cannot be the next. */
  fold(entry: Entry): void;
  encodeEntry(entry: Entry): Buffer;
  decodeEntry(bytes: Uint8Array, key: string): Entry;
  /** Everything folded so far; equal entries give equal bytes. */
  encodeCheckpoint(): Buffer;
  /** Takes the place of what was folded; throws LokiError `corrupt` and changes nothing when it is damaged. */
  decodeCheckpoint(bytes: Uint8Array, key: string): void;
}

interface NumberedLogOptions<Entry> {
  readonly objectStore: ObjectStore;
  readonly state: FoldedLog<Entry>;
  /** Keys are `<prefix><number, 20 digits>`. */
  readonly entryPrefix: string;
  readonly checkpointPrefix: string;
  /** Entries from one checkpoint to the next. Default 256. */
  readonly checkpointEvery?: number;
}

const fetchesMax = 16;
/** Others may commit between; more in a row than this is not chance. */
const attemptsMax = 32;
/** A reader may be reading the one before the last. */
const checkpointsKept = 2;

/**
 * A log of numbered objects, each created once by create-if-absent: whoever creates the next number has committed. Kept
 * short for readers by checkpoints. Entries are never changed and never deleted.
 *
 * Calls take turns; they throw what the store throws and may then be repeated.
 */
export class NumberedLog<Entry> {
  readonly #options: NumberedLogOptions<Entry>;
  #isLoaded = false;
  #checkpoint = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: NumberedLogOptions<Entry>) {
    this.#options = options;
  }

  /** Catches up with what anybody has committed. */
  load(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#load(signal));
  }

  /** The same, for who asks often: one request to the store when nothing was committed since. */
  catchUp(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const isBehind = !this.#isLoaded || (await this.#hasNext(signal));
      if (isBehind) await this.#load(signal);
    });
  }

  /**
   * Adds the next entry.
   *
   * @param make asked again whenever others were faster, against the state with their entries; undefined: there is
   *   nothing (more) to add, be it that an earlier attempt whose answer was lost has done it
   * @returns the entry that was added, or undefined
   */
  append(make: (number: number) => Entry | undefined, signal?: AbortSignal): Promise<Entry | undefined> {
    return this.#inTurn(async () => {
      const { objectStore, state, entryPrefix } = this.#options;
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        await this.#load(signal);
        const number = state.number + 1;
        const entry = make(number);
        if (entry === undefined) return undefined;
        const bytes = state.encodeEntry(entry);
        if (!(await objectStore.putIfAbsent(numbered(entryPrefix, number), bytes, signal))) continue;
        state.fold(entry);
        // The entry stands; a checkpoint that fails now is written after a later one.
        await this.#writeCheckpoint(signal).catch(() => undefined);
        return entry;
      }
      throw new LokiError('unavailable', `catalog: ${entryPrefix}: others kept committing`);
    });
  }

  /** Numbers have no gaps, so there is nothing newer at all when the next one is not there. */
  async #hasNext(signal: AbortSignal | undefined): Promise<boolean> {
    const { objectStore, state, entryPrefix } = this.#options;
    try {
      await objectStore.get(numbered(entryPrefix, state.number + 1), signal);
      return true;
    } catch (error) {
      if (error instanceof LokiError && error.code === 'notFound') return false;
      throw error;
    }
  }

  async #load(signal: AbortSignal | undefined): Promise<void> {
    const { objectStore, state, entryPrefix } = this.#options;
    if (!this.#isLoaded) {
      await this.#loadCheckpoint(signal);
      this.#isLoaded = true;
    }
    const numbers: number[] = [];
    let next = state.number + 1;
    for await (const { key } of objectStore.list(entryPrefix, numbered(entryPrefix, next - 1))) {
      signal?.throwIfAborted();
      // A listing is no snapshot: past a gap it may miss what the next listing will show.
      if (numberOf(key) !== next) break;
      numbers.push(next++);
    }
    for (let i = 0; i < numbers.length; i += fetchesMax) {
      const batch = numbers.slice(i, i + fetchesMax).map((number) => numbered(entryPrefix, number));
      const fetched = await Promise.all(batch.map((key) => objectStore.get(key, signal)));
      fetched.forEach((bytes, at) => state.fold(state.decodeEntry(bytes, batch[at])));
    }
  }

  async #loadCheckpoint(signal: AbortSignal | undefined): Promise<void> {
    const { objectStore, state, checkpointPrefix } = this.#options;
    for (const number of (await this.#checkpoints()).reverse()) {
      const key = numbered(checkpointPrefix, number);
      try {
        state.decodeCheckpoint(await objectStore.get(key, signal), key);
        this.#checkpoint = number;
        return;
      } catch (error) {
        // Damaged, or just removed by somebody: the one before it, or the entries, say the same.
        if (!(error instanceof LokiError) || (error.code !== 'corrupt' && error.code !== 'notFound')) {
          throw error;
        }
      }
    }
  }

  async #writeCheckpoint(signal: AbortSignal | undefined): Promise<void> {
    const { objectStore, state, checkpointPrefix, checkpointEvery = 256 } = this.#options;
    if (state.number < this.#checkpoint + checkpointEvery) return;
    const kept = await this.#checkpoints();
    this.#checkpoint = Math.max(this.#checkpoint, kept.at(-1) ?? 0);
    if (state.number < this.#checkpoint + checkpointEvery) return;
    const key = numbered(checkpointPrefix, state.number);
    await objectStore.putIfAbsent(key, state.encodeCheckpoint(), signal);
    this.#checkpoint = state.number;
    const old = kept.slice(0, Math.max(0, kept.length + 1 - checkpointsKept));
    for (const number of old) await objectStore.delete(numbered(checkpointPrefix, number));
  }

  async #checkpoints(): Promise<number[]> {
    const { objectStore, checkpointPrefix } = this.#options;
    const numbers: number[] = [];
    for await (const { key } of objectStore.list(checkpointPrefix)) {
      const number = numberOf(key);
      if (number !== undefined) numbers.push(number);
    }
    return numbers;
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => undefined); // the caller hears of it through `done`
    return done;
  }
}
