import type { WorkerEnv } from '@loki/ports';
import { TailGuess } from '@loki/segment';
import type { Segment, StoredSegment } from '@loki/segment';
import { compileLeaf, compileSelection } from '../pipeline/compile-leaf.ts';
import type { LeafPlan, LogPlan } from '../pipeline/compile-leaf.ts';
import { BlockCache } from './block-cache.ts';

/** Compiled queries kept; a dashboard has some dozens of panels. */
const plansMax = 256;
/** The assumed weight of a decoded footer of a stored segment: some hundred streams and blocks. */
const footerBytes = 256 * 1024;
/**
 * An opened record of a head, over its bytes: views, tables and columns of one row take as much. And what is
 * decoded of each stream's labels.
 */
const openedBytes = 12 * 1024;
const openedBytesPerStream = 48;
/** The part of the cache that opened segments may take; blocks have the rest of the worth. */
const segmentShare = 1 / 4;

const envKey = 'engine';

/** Shared by the leaves of one worker. */
export class LeafCache {
  readonly #plans = new Map<string, LeafPlan>();
  readonly #selections = new Map<string, LogPlan>();
  readonly #segments = new Map<string, OpenedSegment>();
  readonly #segmentBytesMax: number;
  #segmentBytes = 0;
  readonly blocks: BlockCache;
  /** For segments that are opened. */
  readonly tailGuess = new TailGuess();

  constructor(bytesMax: number) {
    this.#segmentBytesMax = bytesMax * segmentShare;
    this.blocks = new BlockCache(bytesMax - this.#segmentBytesMax);
  }

  static of(env: WorkerEnv): LeafCache {
    let cache = env.cache.get(envKey) as LeafCache | undefined;
    if (!cache) {
      cache = new LeafCache(env.cacheBytesMax);
      env.cache.set(envKey, cache);
    }
    return cache;
  }

  plan(text: string): LeafPlan {
    return remember(this.#plans, text, plansMax, () => compileLeaf(text));
  }

  /**
   * Forgets all data. A read that came back damaged may have left parts of itself here; what is in the store
   * may be sound, and is read again.
   */
  forget(): void {
    this.#segments.clear();
    this.#segmentBytes = 0;
    this.blocks.clear();
  }

  /** The selection of a delete. */
  selection(text: string): LogPlan {
    return remember(this.#selections, text, plansMax, () => compileSelection(text));
  }

  /** A segment that was kept under `key`; it is now the last to be forgotten. */
  segment(key: string): Segment | StoredSegment | undefined {
    const known = this.#segments.get(key);
    if (!known) return undefined;
    this.#segments.delete(key);
    this.#segments.set(key, known);
    return known.segment;
  }

  /** Keeps an opened segment: with its bytes, when it is in memory. */
  keepSegment(key: string, segment: Segment | StoredSegment): void {
    const weight = 'bytes' in segment ? weightOf(segment) : footerBytes;
    this.#segmentBytes += weight - (this.#segments.get(key)?.weight ?? 0);
    this.#segments.delete(key);
    this.#segments.set(key, { segment, weight });
    while (this.#segmentBytes > this.#segmentBytesMax) {
      const [oldest, { weight: freed }] = this.#segments.entries().next().value!;
      this.#segments.delete(oldest);
      this.#segmentBytes -= freed;
    }
  }
}

function weightOf({ bytes, sections }: Segment): number {
  let streams = 0;
  for (const section of sections) streams += section.streams.count;
  return openedBytes + bytes.length + openedBytesPerStream * streams;
}

interface OpenedSegment {
  readonly segment: Segment | StoredSegment;
  readonly weight: number;
}

/** Value of `key`, made when missing; the least recently used goes when there are too many. */
function remember<T>(map: Map<string, T>, key: string, max: number, make: () => T): T {
  const known = map.get(key);
  const value = known ?? make();
  if (known !== undefined) map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value!);
  return value;
}
