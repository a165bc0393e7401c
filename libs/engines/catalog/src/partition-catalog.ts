/** The write side of the catalog: step *flush, commit* of a written line. */
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { CatalogState } from './catalog-state.ts';
import type { StateListener } from './catalog-state.ts';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { checkpointKey, checkpointPrefix, manifestKey, numberOf } from './keys.ts';
import { decodeManifest, encodeManifest } from './manifest.ts';
import type { Manifest, DroppedSections, ManifestContent } from './manifest.ts';
import { objectsFrom } from './read-ahead.ts';

interface PartitionCatalogOptions {
  readonly objectStore: ObjectStore;
  readonly partition: number;
  readonly listener?: StateListener;
  /**
   * Manifests from one checkpoint to the next. Default 512: a cold start reads so many small objects at most.
   */
  readonly checkpointEvery?: number;
}

/**
 * How a commit ended. `lost`: manifests of others hold offsets of ours; `winners` are those we did not know.
 */
type CommitOutcome =
  | { readonly outcome: 'committed'; readonly manifest: Manifest }
  | { readonly outcome: 'lost'; readonly winners: readonly Manifest[] };

/** Manifests that only drop may come between; more in a row than this is not chance. */
const commitAttemptsMax = 16;
/** A commit is repeated at once or given up: it will find itself among the last few manifests. */
const recentMax = 64;
/** Checkpoints kept: a reader may be reading the one before the last. */
const checkpointsKept = 2;

/**
 * The catalog of one partition: numbered manifests, each created once (create-if-absent), each starting
 * exactly where the last one ended. The process that creates the next number has committed; there is no other
 * authority.
 *
 * Calls take turns. They throw what the store throws and may then be repeated.
 */
export class PartitionCatalog {
  readonly state: CatalogState;
  readonly #store: ObjectStore;
  readonly #checkpointEvery: number;
  /** Last checkpoint we know of. */
  #checkpoint = 0;
  #isLoaded = false;
  /** Manifests folded last, in which a repeated commit finds itself. */
  readonly #recent: Manifest[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PartitionCatalogOptions) {
    this.#store = options.objectStore;
    this.state = new CatalogState(options.partition, options.listener);
    this.#checkpointEvery = options.checkpointEvery ?? 512;
  }

  get partition(): number {
    return this.state.partition;
  }

  /**
   * Catches up with what anybody has committed; returns the manifests that were new, but for those in a
   * checkpoint.
   */
  load(signal?: AbortSignal): Promise<readonly Manifest[]> {
    return this.#inTurn(() => this.#load(signal));
  }

  async #load(signal: AbortSignal | undefined): Promise<readonly Manifest[]> {
    if (!this.#isLoaded) {
      await this.#loadCheckpoint(signal);
      this.#isLoaded = true;
    }
    const manifests: Manifest[] = [];
    const keyOf = (number: number) => manifestKey(this.partition, number);
    // Manifests before a damaged one count: the partition is known up to it.
    for await (const { key, bytes } of objectsFrom(this.#store, keyOf, this.state.number + 1, signal)) {
      const manifest = decodeManifest(bytes, key);
      this.#fold(manifest);
      manifests.push(manifest);
    }
    return manifests;
  }

  /**
   * Adds the next manifest. When the answer to an earlier attempt was lost, the same content finds itself and
   * is committed. Manifests of others that leave the offsets free are stepped over.
   *
   * @param content must start where the partition's manifests end, as far as this object knows
   */
  commit(content: ManifestContent, signal?: AbortSignal): Promise<CommitOutcome> {
    return this.#inTurn(() => this.#commit(content, signal));
  }

  async #commit(content: ManifestContent, signal: AbortSignal | undefined): Promise<CommitOutcome> {
    if (!this.#isLoaded) await this.#load(signal);
    const winners: Manifest[] = [];
    for (let attempt = 0; attempt < commitAttemptsMax; attempt++) {
      const ownManifest = this.#findOwn(content);
      if (ownManifest) return { outcome: 'committed', manifest: ownManifest };
      if (content.startOffset < this.state.endOffset) return { outcome: 'lost', winners };
      if (content.startOffset > this.state.endOffset) {
        throw new LokiError(
          'internal',
          `catalog: partition ${this.partition} ends at ${this.state.endOffset}, a commit begins at ${content.startOffset}`,
        );
      }
      const manifest: Manifest = { ...content, partition: this.partition, number: this.state.number + 1 };
      if (
        await this.#store.putIfAbsent(
          manifestKey(this.partition, manifest.number),
          encodeManifest(manifest),
          signal,
        )
      ) {
        this.#fold(manifest);
        return { outcome: 'committed', manifest };
      }
      winners.push(...(await this.#load(signal)));
    }
    throw new LokiError(
      'unavailable',
      `catalog: partition ${this.partition}: other processes kept committing first`,
    );
  }

  /** Makes sections unreadable, and forgets segments whose objects were deleted. Offsets do not move. */
  async drop(
    change: { drops?: readonly DroppedSections[]; erased?: readonly string[]; createdMs: number },
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#inTurn(async () => {
      await this.#load(signal);
      const { drops = [], erased = [], createdMs } = change;
      for (let attempt = 0; attempt < commitAttemptsMax; attempt++) {
        const { endOffset } = this.state;
        const content = { startOffset: endOffset, endOffset, writers: [], drops, erased, createdMs };
        if ((await this.#commit(content, signal)).outcome === 'committed') return;
      }
      throw new LokiError(
        'unavailable',
        `catalog: partition ${this.partition}: other processes kept committing first`,
      );
    });
  }

  /**
   * Writes a checkpoint when enough manifests came since the last one, and removes those before it. Anybody
   * may call it at any time: equal manifests fold to equal checkpoints.
   */
  checkpoint(signal?: AbortSignal): Promise<boolean> {
    return this.#inTurn(() => this.#writeCheckpoint(signal));
  }

  async #writeCheckpoint(signal: AbortSignal | undefined): Promise<boolean> {
    const { number } = this.state;
    if (number < this.#checkpoint + this.#checkpointEvery) return false;
    const checkpoints = await this.#checkpoints();
    const last = checkpoints.at(-1) ?? 0;
    this.#checkpoint = Math.max(this.#checkpoint, last);
    if (number < last + this.#checkpointEvery) return false;
    await this.#store.putIfAbsent(
      checkpointKey(this.partition, number),
      encodeCheckpoint(this.state),
      signal,
    );
    this.#checkpoint = number;
    for (const old of checkpoints.slice(0, Math.max(0, checkpoints.length + 1 - checkpointsKept))) {
      await this.#store.delete(checkpointKey(this.partition, old));
    }
    return true;
  }

  /** Dead segments whose grace period is over: no reader that could still want them should be running. */
  deletable(nowMs: number, graceMs: number): string[] {
    return [...this.state.dead.values()]
      .filter((dead) => dead.droppedMs + graceMs <= nowMs)
      .map((dead) => dead.key);
  }

  async #loadCheckpoint(signal: AbortSignal | undefined): Promise<void> {
    const numbers = await this.#checkpoints();
    // Manifests are never deleted, so a damaged checkpoint costs time, not data.
    for (const number of numbers.reverse()) {
      const key = checkpointKey(this.partition, number);
      try {
        decodeCheckpoint(await this.#store.get(key, signal), key, this.state);
        this.#checkpoint = number;
        return;
      } catch (error) {
        if (!(error instanceof LokiError) || (error.code !== 'corrupt' && error.code !== 'notFound')) {
          throw error;
        }
      }
    }
  }

  async #checkpoints(): Promise<number[]> {
    const numbers: number[] = [];
    for await (const { key } of this.#store.list(checkpointPrefix(this.partition))) {
      const number = numberOf(key);
      if (number !== undefined) numbers.push(number);
    }
    return numbers;
  }

  #fold(manifest: Manifest): void {
    this.state.fold(manifest);
    this.#recent.push(manifest);
    if (this.#recent.length > recentMax) this.#recent.shift();
  }

  /** Our own manifest, put by an attempt whose answer never came: the same in all but when it was tried. */
  #findOwn(content: ManifestContent): Manifest | undefined {
    if (content.endOffset === content.startOffset) return undefined; // dropping twice is harmless
    return this.#recent.find(
      (manifest) =>
        manifest.startOffset === content.startOffset &&
        encodeManifest(manifest).equals(
          encodeManifest({
            ...content,
            partition: manifest.partition,
            number: manifest.number,
            createdMs: manifest.createdMs,
          }),
        ),
    );
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => undefined); // the caller hears of it through `done`
    return done;
  }
}
