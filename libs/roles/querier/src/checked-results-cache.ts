/** The results cache of a querier: keys name the segments, values have a checksum. */
import { createHash } from 'node:crypto';
import { crc32c } from '@loki/bytes';
import type { SegmentRef } from '@loki/catalog';
import type { Work } from '@loki/engine';
import { mib } from '@loki/model';
import type { Clock, LeafDelete, LeafStats, ResultsCache } from '@loki/ports';
import type { Window } from './window.ts';

/**
 * Layout of a cached value: version, CRC-32C of the bytes after it, SHA-256 of the question, the answer. The
 * version changes with the layout and with the meaning of a query, because caches outlive releases.
 */
const version = 4;
const headerBytes = 1 + 4 + 32;

/** A larger answer is not cached: it would evict many others, and is slow to fetch. */
export const answerBytesMax = 4 * mib;

/** Everything on which the stored part of an answer depends: equal keys have equal answers. */
export interface ResultsKey {
  readonly tenant: string;
  /** The question without its time range. */
  readonly question: readonly (string | number | bigint)[];
  readonly window: Window;
  /**
   * The segments that are read. A segment never changes: late entries, compaction and deletes create new
   * ones.
   */
  readonly segments: readonly SegmentRef[];
  readonly deletes?: readonly LeafDelete[];
  /** The generation of the tenant's deletes: operators raise it to invalidate all cached answers. */
  readonly generation: number;
}

/** Answers from the store in a results cache, verified on every read. */
export class CheckedResultsCache {
  readonly #cache: ResultsCache;
  readonly #clock: Clock;

  constructor(cache: ResultsCache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Answers in the order of the keys; undefined: not cached, or damaged. */
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

  /** Writes the answers that are present. */
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

/** Yields between answers: each may have some megabytes. */
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

/** The name shows the tenant to operators; the hash covers the tenant, too. */
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
  // The length stands before each text: different lists give different bytes.
  return createHash('sha256')
    .update(parts.map((part) => `${part.length}:${part}`).join(''))
    .digest();
}

/** The part of a delete inside the window: its range outside does not change the answer. */
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

/** The answer in a value; undefined when the value is damaged, or belongs to another question. */
function open(value: Uint8Array, hash: Buffer): Uint8Array | undefined {
  if (value.length < headerBytes || value[0] !== version) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint32(1, true) !== crc32c(value, 5)) return undefined;
  if (!hash.equals(value.subarray(5, headerBytes))) return undefined;
  return value.subarray(headerBytes);
}

/** Segments that may have rows in the window, in the given order. */
export function segmentsIn(segments: readonly SegmentRef[], { startNs, endNs }: Window): SegmentRef[] {
  return segments.filter(
    ({ minNs, maxNs, clip }) =>
      minNs < endNs && maxNs >= startNs && (!clip || (clip.startNs < endNs && clip.endNs > startNs)),
  );
}
