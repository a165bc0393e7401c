/** The results cache of a querier: keys that name the very segments, values with a checksum. */
import { createHash } from 'node:crypto';
import { crc32c } from '@loki/bytes';
import type { SegmentRef } from '@loki/catalog';
import type { Work } from '@loki/engine';
import { mib } from '@loki/model';
import type { Clock, LeafDelete, LeafStats, ResultsCache } from '@loki/ports';
import type { Window } from './window.ts';

/**
 * Layout of a kept value: version, CRC-32C of all behind it, SHA-256 of what it answers, the answer. Another
 * version where the layout changes or where a query comes to mean something else: caches outlive releases.
 */
const version = 4;
const headerBytes = 1 + 4 + 32;

/** A larger answer is not kept: it would push out many others, and is slow to fetch. */
export const answerBytesMax = 4 * mib;

/** All that the stored part of an answer depends on. Two questions with the same key have the same answer. */
export interface ResultsKey {
  readonly tenant: string;
  /** The question, but for its time. */
  readonly question: readonly (string | number | bigint)[];
  readonly window: Window;
  /**
   * The segments that are read. A segment never changes: late entries, compaction and deletes make others.
   */
  readonly segments: readonly SegmentRef[];
  readonly deletes?: readonly LeafDelete[];
  /** Of the tenant's deletes: operators raise it to have everything computed anew. */
  readonly generation: number;
}

/** Answers from the store in a results cache, checked when they come back. */
export class CheckedResultsCache {
  readonly #cache: ResultsCache;
  readonly #clock: Clock;

  constructor(cache: ResultsCache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Answers in the order of the keys, to be checked; undefined: not kept, or damaged. */
  async get(
    keys: readonly ResultsKey[],
    stats: LeafStats,
  ): Promise<Work<readonly (Uint8Array | undefined)[]>> {
    if (keys.length === 0) return checkedAnswers([], [], [], stats);
    const hashes = keys.map(hashOf);
    const startedMs = this.#clock.monotonicMs();
    const values = await this.#cache.get(keys.map(({ tenant }, i) => nameOf(tenant, hashes[i])));
    stats.cacheMs += this.#clock.monotonicMs() - startedMs;
    stats.cacheRequests++;
    stats.cacheEntriesRequested += keys.length;
    return checkedAnswers(keys, hashes, values, stats);
  }

  /** Those that have an answer. */
  *put(
    entries: readonly { readonly key: ResultsKey; readonly answer: Uint8Array | undefined }[],
    stats: LeafStats,
  ): Work<void> {
    const values: { key: string; value: Uint8Array }[] = [];
    for (const { key, answer } of entries) {
      if (!answer || answer.length > answerBytesMax) continue;
      const hash = hashOf(key);
      const value = withHeader(answer, hash);
      stats.cacheEntriesStored++;
      stats.cacheBytesSent += value.length;
      values.push({ key: nameOf(key.tenant, hash), value });
      yield;
    }
    if (values.length === 0) return;
    stats.cacheRequests++;
    this.#cache.put(values);
  }
}

/** Each answer is up to some megabytes to look at. */
function* checkedAnswers(
  keys: readonly ResultsKey[],
  hashes: readonly Buffer[],
  values: readonly (Uint8Array | undefined)[],
  stats: LeafStats,
): Work<readonly (Uint8Array | undefined)[]> {
  const answers: (Uint8Array | undefined)[] = [];
  for (const [i, hash] of hashes.entries()) {
    const value = values[i];
    const answer = value && open(value, hash);
    answers.push(answer);
    if (!value || !answer) continue;
    stats.cacheEntriesFound++;
    stats.cacheBytesReceived += value.length;
    const { startNs, endNs } = keys[i].window;
    stats.cacheServedNs += Number(endNs - startNs);
    yield;
  }
  return answers;
}

/** The tenant stands in the name for operators to see; what decides is the hash, which holds it too. */
function nameOf(tenant: string, hash: Buffer): string {
  return `${tenant}/${hash.toString('base64url')}`;
}

function hashOf({ tenant, question, window, segments, deletes = [], generation }: ResultsKey): Buffer {
  const parts = [
    String(version),
    tenant,
    String(generation),
    ...question.map(String),
    `${window.startNs}..${window.endNs}`,
    ...segments.map(({ key, createdMs, sizeBytes, clip }) =>
      [key, createdMs, sizeBytes, clip ? `${clip.startNs}..${clip.endNs}` : ''].join('|'),
    ),
    ...deletes.map((each) => deleteText(each, window)).filter((text) => text !== ''),
  ];
  // Lengths before texts: no two lists of parts share a text.
  return createHash('sha256')
    .update(parts.map((part) => `${part.length}:${part}`).join(''))
    .digest();
}

/** The rows that a delete takes of the window: its reach outside of the window makes no difference. */
function deleteText({ expr, startNs, endNs, except = [] }: LeafDelete, window: Window): string {
  const fromNs = startNs > window.startNs ? startNs : window.startNs;
  const toNs = endNs < window.endNs ? endNs : window.endNs;
  return fromNs < toNs ? JSON.stringify([expr, `${fromNs}..${toNs}`, ...except]) : '';
}

function withHeader(answer: Uint8Array, hash: Buffer): Buffer {
  const value = Buffer.allocUnsafe(headerBytes + answer.length);
  value[0] = version;
  hash.copy(value, 5);
  value.set(answer, headerBytes);
  value.writeUInt32LE(crc32c(value, 5), 1);
  return value;
}

/** The answer in a value; undefined when it is damaged, or answers something else. */
function open(value: Uint8Array, hash: Buffer): Uint8Array | undefined {
  if (value.length < headerBytes || value[0] !== version) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint32(1, true) !== crc32c(value, 5)) return undefined;
  if (!hash.equals(value.subarray(5, headerBytes))) return undefined;
  return value.subarray(headerBytes);
}

/** Segments with rows that may stand in the window, as they were given. */
export function segmentsIn(segments: readonly SegmentRef[], { startNs, endNs }: Window): SegmentRef[] {
  return segments.filter(
    ({ minNs, maxNs, clip }) =>
      minNs < endNs && maxNs >= startNs && (!clip || (clip.startNs < endNs && clip.endNs > startNs)),
  );
}
