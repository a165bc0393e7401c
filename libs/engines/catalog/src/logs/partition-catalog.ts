/** The write side of the catalog: step *flush, commit* of a written line. */
import { LokiError } from '@loki/model';
import type { ObjectStore, Timers } from '@loki/ports';
import { CatalogState } from './catalog-state.ts';
import type { StateListener } from './catalog-state.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { partitionCheckpoints } from './checkpoint.ts';
import { checkpointPrefix, manifestPrefix, sealPrefix } from './keys.ts';
import { decodeManifest, encodeManifest } from './manifest.ts';
import type { Manifest, DroppedSections, ManifestContent } from './manifest.ts';
import { NewestManifests, RecentManifests } from './newest-manifests.ts';
import { NumberedObjects, removeCovered, uncovered } from './numbered-objects.ts';
import type { LogKeys, Removal, RemovalOptions } from './numbered-objects.ts';
import type { TenantNames } from './section-table.ts';

interface PartitionCatalogOptions {
  readonly objectStore: ObjectStore;
  readonly partition: number;
  readonly listener?: StateListener;
  /** Shared by the partitions of one catalog. */
  readonly names?: TenantNames;
  /**
   * Manifests from one checkpoint to the next. Default 512: a cold start reads at most that number of small
   * objects.
   */
  readonly checkpointEvery?: number;
  readonly eraSize?: number;
  /** Approximate unpacked bytes of a part of a checkpoint. */
  readonly groupBytes?: number;
  /** Yields to the event loop while a checkpoint is read or written. */
  readonly timers?: Timers;
  /** Called for each damaged checkpoint that an older one replaces. */
  readonly onDamage?: (text: string) => void;
  /** Bytes of the newest manifests that are kept for `manifestsAfter`. Default 0. */
  readonly newestBytesMax?: number;
}

/**
 * How a commit ended. `lost`: manifests of other processes have offsets of this commit; `winners` are those
 * that this process had not read.
 */
type CommitOutcome =
  | { readonly outcome: 'committed'; readonly manifest: Manifest }
  | { readonly outcome: 'lost'; readonly winners: readonly Manifest[] };

/** Maximum of attempts: manifests that only drop may come in between, but not this many by chance. */
const commitAttemptsMax = 16;
/** Maximum of restarts of one load because manifests were removed ahead of the reader. */
const reloadsMax = 8;

/**
 * The catalog of one partition: numbered manifests, each created once (create-if-absent), each starting
 * exactly where the last one ended. The process that creates the next number has committed; there is no other
 * authority.
 *
 * Calls take turns. Each throws the store's error, and may then be repeated.
 */
export class PartitionCatalog {
  readonly state: CatalogState;
  readonly #store: ObjectStore;
  readonly #checkpointEvery: number;
  /** Number of the newest checkpoint that this process has read or written. */
  #checkpoint = 0;
  #isLoaded = false;
  /** Manifests folded last, in which a repeated commit finds itself. */
  readonly #recent: RecentManifests;
  readonly #newest: NewestManifests;
  readonly #keys: Required<LogKeys>;
  readonly #objects: NumberedObjects;
  readonly #checkpoints: CheckpointStore<CatalogState>;
  readonly #eraSize: number | undefined;
  #lastRemoval: Removal | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PartitionCatalogOptions) {
    this.#store = options.objectStore;
    const { partition, listener, names, groupBytes } = options;
    this.state = new CatalogState(partition, listener, names, groupBytes);
    this.#checkpoints = new CheckpointStore(partitionCheckpoints(partition), options);
    this.#checkpointEvery = options.checkpointEvery ?? 512;
    this.#keys = {
      manifestPrefix: manifestPrefix(options.partition),
      checkpointPrefix: checkpointPrefix(options.partition),
      sealPrefix: sealPrefix(options.partition),
    };
    this.#eraSize = options.eraSize;
    this.#newest = new NewestManifests(options.newestBytesMax ?? 0);
    this.#recent = new RecentManifests(options.objectStore, partition);
    this.#objects = new NumberedObjects(options.objectStore, this.#keys, options.eraSize);
  }

  get partition(): number {
    return this.state.partition;
  }

  /**
   * Reads the commits of all processes; returns the new manifests, without those in a checkpoint.
   */
  load(signal?: AbortSignal): Promise<readonly Manifest[]> {
    return this.#inTurn(() => this.#load(signal));
  }

  /**
   * Takes manifests from another process, if they continue this process's sequence. They are checked like
   * manifests from the store.
   *
   * @throws LokiError `corrupt` when they are damaged, or belong to another partition
   */
  learn(manifests: readonly Uint8Array[]): Promise<void> {
    return this.#inTurn(async () => {
      // Before the first load, a checkpoint may have newer content.
      if (!this.#isLoaded) return;
      for (const bytes of manifests) {
        const manifest = decodeManifest(bytes, `news of partition ${this.partition}`);
        if (manifest.number > this.state.number) this.#fold(manifest, bytes);
      }
    });
  }

  /** Stored bytes of the manifests after this number; empty when the cache lacks some of them. */
  manifestsAfter(number: number): readonly Uint8Array[] {
    return this.#newest.after(number);
  }

  async #load(signal: AbortSignal | undefined): Promise<readonly Manifest[]> {
    if (!this.#isLoaded) {
      await this.#loadCheckpoint(signal);
      this.#isLoaded = true;
    }
    const manifests: Manifest[] = [];
    for (let attempt = 0; attempt < reloadsMax; attempt++) {
      // Manifests before a damaged one count: the partition is readable up to it.
      const take = (key: string, bytes: Buffer): void => {
        const manifest = decodeManifest(bytes, key);
        this.#fold(manifest, bytes);
        manifests.push(manifest);
      };
      if ((await this.#objects.read(this.state.number + 1, take, { signal })) === 'end') return manifests;
      const { number } = this.state;
      await this.#loadCheckpoint(signal);
      if (this.state.number === number) throw uncovered(this.#keys.manifestPrefix);
    }
    throw new LokiError(
      'unavailable',
      `catalog: partition ${this.partition}: manifests are removed faster than read`,
    );
  }

  /**
   * Adds the next manifest. When the answer to an earlier attempt was lost, the same content finds itself and
   * is committed. Skips manifests of other processes that do not take the offsets.
   *
   * @param content must start at the end of the partition's manifests that this object has read
   */
  commit(content: ManifestContent, signal?: AbortSignal): Promise<CommitOutcome> {
    return this.#inTurn(() => this.#commit(content, signal));
  }

  async #commit(content: ManifestContent, signal: AbortSignal | undefined): Promise<CommitOutcome> {
    if (!this.#isLoaded) await this.#load(signal);
    const winners: Manifest[] = [];
    for (let attempt = 0; attempt < commitAttemptsMax; attempt++) {
      const ownManifest = await this.#recent.find(content, signal);
      if (ownManifest) return { outcome: 'committed', manifest: ownManifest };
      if (content.startOffset < this.state.endOffset) return { outcome: 'lost', winners };
      if (content.startOffset > this.state.endOffset) {
        throw new LokiError(
          'internal',
          `catalog: partition ${this.partition} ends at ${this.state.endOffset}, a commit begins at ${content.startOffset}`,
        );
      }
      const manifest: Manifest = { ...content, partition: this.partition, number: this.state.number + 1 };
      const bytes = encodeManifest(manifest);
      if ((await this.#objects.create(manifest.number, bytes, signal)) === 'created') {
        this.#fold(manifest, bytes);
        return { outcome: 'committed', manifest };
      }
      winners.push(...(await this.#load(signal)));
    }
    throw new LokiError(
      'unavailable',
      `catalog: partition ${this.partition}: other processes kept committing first`,
    );
  }

  /** Drops sections, and removes segments whose objects were deleted from the state. Offsets do not move. */
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
   * Writes a checkpoint when enough manifests came since the last one, and removes those before it. Every
   * process may call it at any time: equal manifests fold to equal checkpoints.
   */
  checkpoint(signal?: AbortSignal): Promise<boolean> {
    return this.#inTurn(() => this.#writeCheckpoint(signal));
  }

  async #writeCheckpoint(signal: AbortSignal | undefined): Promise<boolean> {
    const { number } = this.state;
    if (number < this.#checkpoint + this.#checkpointEvery) return false;
    const numbers = await this.#checkpoints.numbers();
    const last = numbers.at(-1) ?? 0;
    this.#checkpoint = Math.max(this.#checkpoint, last);
    if (number < last + this.#checkpointEvery) return false;
    if (!(await this.#checkpoints.write(this.state, numbers, signal))) return false;
    this.#checkpoint = number;
    return true;
  }

  /** Dead segments whose grace period is over: no running reader needs them any more. */
  deletable(nowMs: number, graceMs: number): string[] {
    return [...this.state.dead.values()]
      .filter((dead) => dead.droppedMs + graceMs <= nowMs)
      .map((dead) => dead.key);
  }

  /** Removes manifests that checkpoints cover. Costs no request while no further era is covered. */
  async removeCovered(options: RemovalOptions, signal?: AbortSignal): Promise<void> {
    const last = this.#lastRemoval;
    if (last && !last.isPending && this.state.number < last.nextLast) return;
    const isSound = (number: number): Promise<boolean> => this.#checkpoints.isSound(number, signal);
    const log = { objectStore: this.#store, keys: this.#keys, isSound, eraSize: this.#eraSize };
    this.#lastRemoval = await removeCovered(log, options, signal);
  }

  /** Replaces the state by the newest sound checkpoint that is ahead of it. */
  async #loadCheckpoint(signal: AbortSignal | undefined): Promise<void> {
    const number = await this.#checkpoints.load(this.state, signal);
    if (number === undefined) return;
    this.#checkpoint = number;
    this.#recent.clear();
  }

  #fold(manifest: Manifest, bytes: Uint8Array): void {
    this.state.fold(manifest);
    this.#newest.add(manifest.number, bytes);
    this.#recent.add(manifest);
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => undefined); // the caller gets the failure from `done`
    return done;
  }
}
