/**
 * Writes and reads the checkpoints of a log: bounded parts; a new checkpoint refers to the unchanged parts of
 * older ones.
 */
import { createHash } from 'node:crypto';
import { LokiError } from '@loki/model';
import { nextTurn } from '@loki/ports';
import type { ObjectStore, Timers } from '@loki/ports';
import { hashBytes } from './checkpoint-parts.ts';
import type { CheckpointFormat, CheckpointPart, PartRef } from './checkpoint-parts.ts';
import { numbered, partNumberOf } from './keys.ts';
import { isReadable, isUnreadable } from './numbered-log.ts';
import { numbersOf } from './numbered-objects.ts';
import type { PartIdentity } from './segment-groups.ts';

/** Number of checkpoints in the store: a reader may still read the one before the last. */
const checkpointsKept = 2;
/** Parts that are read side by side, and are in memory together. */
const readsMax = 4;

interface CheckpointStoreOptions {
  readonly objectStore: ObjectStore;
  /** Yields to the event loop between two parts. Absent: the process has no other tasks. */
  readonly timers?: Timers;
  /** Called for each damaged object whose content an older checkpoint supplied. */
  readonly onDamage?: (text: string) => void;
}

/**
 * The checkpoints of one log: of a partition, or of the compactors.
 *
 * A checkpoint shares parts with the one before the last, which it replaces, and no part with the last one:
 * after damage of one part, one checkpoint is still whole. Processes write and remove side by side, without a
 * clock:
 * - A part is removed when no root in the store names it and all roots are newer. Parts for a root that is
 *   being written are newer than all roots.
 * - A writer that refers to parts of an older root creates its own root, then checks that the older root
 *   still exists. If so, every removal saw the older root or sees the new one. If not, the writer deletes its
 *   new root.
 */
export class CheckpointStore<State extends { readonly number: number }> {
  readonly #store: ObjectStore;
  readonly #format: CheckpointFormat<State>;
  readonly #timers: Timers | undefined;
  readonly #onDamage: (text: string) => void;
  /** Keys of parts that a read showed to be damaged: they are written again. */
  readonly #damagedParts = new Set<string>();

  constructor(format: CheckpointFormat<State>, options: CheckpointStoreOptions) {
    this.#store = options.objectStore;
    this.#format = format;
    this.#timers = options.timers;
    this.#onDamage = options.onDamage ?? (() => undefined);
  }

  /** The checkpoints of one state, as its log needs them. */
  of(state: State) {
    return {
      load: (signal?: AbortSignal) => this.load(state, signal),
      write: (checkpoints: readonly number[], signal?: AbortSignal) => this.write(state, checkpoints, signal),
      isSound: (number: number, signal?: AbortSignal) => this.isSound(number, signal),
    };
  }

  /** Numbers of the checkpoints, ascending. */
  numbers(): Promise<number[]> {
    return numbersOf(this.#store, this.#format.checkpointPrefix);
  }

  /**
   * Replaces `state` by the newest sound checkpoint that is ahead of it.
   *
   * @returns its number; undefined: there is none
   */
  async load(state: State, signal?: AbortSignal): Promise<number | undefined> {
    // A damaged checkpoint costs time, not data: manifests are removed only below two sound ones.
    for (const number of (await this.numbers()).reverse()) {
      if (number <= state.number) return undefined;
      const content = this.#format.emptyState(state);
      if (!(await this.#isRead(number, content, signal))) continue;
      this.#format.replace(state, content);
      return number;
    }
    return undefined;
  }

  /** Reads a whole checkpoint to prove that it is sound; drops the content. */
  isSound(number: number, signal?: AbortSignal): Promise<boolean> {
    return this.#isRead(number, this.#format.emptyState(), signal);
  }

  /**
   * Writes a checkpoint, and removes those before the last one. Encodes one part per turn of the event loop.
   *
   * @param checkpoints those in the store, ascending
   * @returns false when a part to refer to is damaged, or was removed by another process that has written a
   *   newer checkpoint: the checkpoint after the next manifest has parts of its own
   */
  async write(state: State, checkpoints: readonly number[], signal?: AbortSignal): Promise<boolean> {
    try {
      return await this.#write(state, checkpoints, signal);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // The put found an object under this key, and the read found none: another process has removed it in
      // between.
      if (error.code === 'corrupt') this.#onDamage(error.message);
      return false;
    }
  }

  async #write(
    state: State,
    checkpoints: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const key = this.#keyOf(state.number);
    const whole = this.#format.encodeWhole(state);
    const [base, last] = whole ? [] : [checkpoints.at(-2), checkpoints.at(-1)];
    const root =
      whole ??
      this.#format.encodeRoot(
        state,
        await this.#putParts(state, await this.#reusable(base, last, signal), signal),
      );
    const isCreated = await this.#store.putIfAbsent(key, root, signal);
    if (base !== undefined && !(await this.numbers()).includes(base)) {
      if (isCreated) await this.#store.delete(key);
      return false;
    }
    const oldCount = Math.max(0, checkpoints.length + 1 - checkpointsKept);
    for (const old of checkpoints.slice(0, oldCount)) {
      await this.#store.delete(this.#keyOf(old));
    }
    await this.#removeParts(signal);
    return true;
  }

  /** False: the checkpoint is damaged or gone. */
  async #isRead(number: number, state: State, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.#read(number, state, signal);
      return true;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // A checkpoint that others removed during the read is not damaged.
      if (error.code === 'corrupt' || (await this.#partsOf(number, signal))) this.#onDamage(error.message);
      return false;
    }
  }

  async #read(number: number, state: State, signal: AbortSignal | undefined): Promise<void> {
    const key = this.#keyOf(number);
    const parts = this.#format.decode(await this.#store.get(key, signal), key, state);
    if (!parts) return;
    const pending = parts.slice(0, readsMax).map((part) => this.#fetch(part, signal));
    for (const [i, part] of parts.entries()) {
      const bytes = await pending.shift()!;
      if (i + readsMax < parts.length) pending.push(this.#fetch(parts[i + readsMax], signal));
      this.#format.decodePart(bytes, this.#partKey(part), state, part);
      await this.#pause();
    }
  }

  /** @throws LokiError `corrupt` when the bytes are not those that the root means */
  #fetch(part: PartRef, signal: AbortSignal | undefined): Promise<Buffer> {
    const bytes = this.#getPart(part, signal);
    bytes.catch(() => undefined); // the failure reaches the reader when it awaits this part
    return bytes;
  }

  async #getPart(part: PartRef, signal: AbortSignal | undefined): Promise<Buffer> {
    const key = this.#partKey(part);
    const bytes = await this.#store.get(key, signal);
    if (identityOf(bytes).hash === part.hash) return bytes;
    this.#damagedParts.add(key);
    throw new LokiError('corrupt', `catalog: ${key}: its hash is another one`);
  }

  /** @returns the parts of the state; all of them are in the store */
  async #putParts(
    state: State,
    reusable: ReadonlyMap<string, PartRef>,
    signal: AbortSignal | undefined,
  ): Promise<PartRef[]> {
    const refs: PartRef[] = [];
    const put = async (part: CheckpointPart): Promise<PartRef> => {
      const sharedRef = part.identity && reusable.get(part.identity.hash);
      if (sharedRef) return sharedRef;
      const bytes = part.encode();
      const identity = identityOf(bytes);
      const ref =
        reusable.get(identity.hash) ??
        (await this.#putPart({ number: state.number, ...identity }, bytes, signal));
      await this.#pause();
      return ref;
    };
    for (const part of this.#format.parts(state)) {
      if (!part) {
        await this.#pause();
        continue;
      }
      const ref = await put(part);
      part.stored({ hash: ref.hash, sizeBytes: ref.sizeBytes });
      refs.push(ref);
    }
    return refs;
  }

  async #putPart(part: PartRef, bytes: Buffer, signal: AbortSignal | undefined): Promise<PartRef> {
    const isCreated = await this.#store.putIfAbsent(this.#partKey(part), bytes, signal);
    // An equal object is our own, from an attempt whose answer was lost.
    if (!isCreated) await this.#getPart(part, signal);
    return part;
  }

  /**
   * Parts of a checkpoint by hash, as far as the store has them. Leaves out those of the last checkpoint: two
   * concurrent writers may have built on the same one.
   */
  async #reusable(
    base: number | undefined,
    last: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, PartRef>> {
    if (base === undefined || last === undefined) return new Map();
    const [parts, lastParts] = [await this.#partsOf(base, signal), await this.#partsOf(last, signal)];
    if (!parts || !lastParts) return new Map();
    const inLast = new Set(lastParts.map((part) => this.#partKey(part)));
    const sizes = new Map<string, number>();
    for await (const { key, sizeBytes } of this.#store.list(this.#format.partPrefix)) {
      if (!inLast.has(key) && !this.#damagedParts.has(key)) sizes.set(key, sizeBytes);
    }
    const present = parts.filter((part) => sizes.get(this.#partKey(part)) === part.sizeBytes);
    return new Map(present.map((part) => [part.hash, part]));
  }

  /** Parts that the root of a checkpoint names; undefined: the root is damaged or gone. */
  async #partsOf(number: number, signal: AbortSignal | undefined): Promise<readonly PartRef[] | undefined> {
    const key = this.#keyOf(number);
    let parts: readonly PartRef[] = [];
    const read = (bytes: Buffer): void => {
      parts = this.#format.decode(bytes, key, this.#format.emptyState()) ?? [];
    };
    return (await isReadable(this.#store, key, read, signal)) ? parts : undefined;
  }

  /** Removes parts that no checkpoint names, unless one is being written with them. */
  async #removeParts(signal: AbortSignal | undefined): Promise<void> {
    const numbers = await this.numbers();
    const named = new Set<string>();
    for (const number of numbers) {
      const parts = await this.#partsOf(number, signal);
      if (!parts) return; // its parts are unknown: a later call removes unneeded ones
      for (const part of parts) named.add(this.#partKey(part));
    }
    for await (const { key } of this.#store.list(this.#format.partPrefix)) {
      const number = partNumberOf(key);
      if (number === undefined || number >= numbers[0]) return;
      if (!named.has(key)) await this.#store.delete(key);
    }
  }

  async #pause(): Promise<void> {
    if (this.#timers) await nextTurn(this.#timers);
  }

  #partKey({ number, hash }: PartRef): string {
    return `${numbered(this.#format.partPrefix, number)}-${hash}`;
  }

  #keyOf(number: number): string {
    return numbered(this.#format.checkpointPrefix, number);
  }
}

function identityOf(bytes: Uint8Array): PartIdentity {
  const hash = createHash('sha256')
    .update(bytes)
    .digest('hex')
    .slice(0, 2 * hashBytes);
  return { hash, sizeBytes: bytes.length };
}
