/** A worker's caches for leaves: opened segments, decoded blocks, compiled plans. */
import type { WorkerEnv } from '@loki/ports';
import { TailGuess } from '@loki/segment';
import type { Segment, StoredSegment } from '@loki/segment';
import { compileLeaf, compileSelection } from '../pipeline/compile-leaf.ts';
import type { LeafPlan, LogPlan } from '../pipeline/compile-leaf.ts';
import { BlockCache } from './block-cache.ts';
import { RunMetadata } from './run-metadata.ts';

/** Most cached plans; a dashboard has some dozens of panels. */
const plansMax = 256;
/**
 * Bytes of an opened record of a head in addition to its own bytes: views, tables and columns of one row; and
 * bytes of each stream's decoded labels.
 */
const openedBytes = 12 * 1024;
const openedBytesPerStream = 48;
/** Share of the cache for opened segments; blocks have the rest. */
const segmentShare = 1 / 4;

const envKey = 'engine';

/** The caches that the leaves of one worker share. */
export class LeafCache {
  readonly #plans = new Map<string, LeafPlan>();
  readonly #selections = new Map<string, LogPlan>();
  readonly #segments = new Map<string, OpenedSegment>();
  /** Footers that are being read. */
  readonly opening = new Map<string, Promise<StoredSegment>>();
  /** Bound on opened segments. */
  readonly segmentBytesMax: number;
  #segmentBytes = 0;
  readonly blocks: BlockCache;
  readonly runMetadata = new RunMetadata();
  /** For segments that are opened. */
  readonly tailGuess = new TailGuess();

  constructor(bytesMax: number) {
    this.segmentBytesMax = bytesMax * segmentShare;
    this.blocks = new BlockCache(bytesMax - this.segmentBytesMax);
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
   * Drops all cached data. After a damaged read, parts of it may be cached, while the store may be intact: it
   * is read again.
   */
  forget(): void {
    this.#segments.clear();
    this.#segmentBytes = 0;
    this.blocks.clear();
  }

  /** The compiled selection of a delete. */
  selection(text: string): LogPlan {
    return remember(this.#selections, text, plansMax, () => compileSelection(text));
  }

  /** The cached segment of `key`; it becomes the most recently used. */
  segment(key: string): Segment | StoredSegment | undefined {
    const cached = this.#segments.get(key);
    if (!cached) return undefined;
    this.#segments.delete(key);
    this.#segments.set(key, cached);
    return cached.segment;
  }

  /** Bytes that an opened segment takes. */
  weightOf(segment: Segment | StoredSegment): number {
    return 'bytes' in segment ? weightInMemory(segment) : segment.memoryBytes;
  }

  /** Caches an opened segment. Its weight includes its bytes when it is in memory. */
  keepSegment(key: string, segment: Segment | StoredSegment): void {
    const weight = this.weightOf(segment);
    this.#segmentBytes += weight - (this.#segments.get(key)?.weight ?? 0);
    this.#segments.delete(key);
    this.#segments.set(key, { segment, weight });
    while (this.#segmentBytes > this.segmentBytesMax) {
      const [oldest, { weight: freed }] = this.#segments.entries().next().value!;
      this.#segments.delete(oldest);
      this.#segmentBytes -= freed;
    }
  }
}

function weightInMemory({ bytes, sections }: Segment): number {
  let streams = 0;
  for (const section of sections) streams += section.streams.count;
  return openedBytes + bytes.length + openedBytesPerStream * streams;
}

interface OpenedSegment {
  readonly segment: Segment | StoredSegment;
  readonly weight: number;
}

/** The value of `key`, computed if it is missing; the least recently used value is evicted. */
function remember<T>(map: Map<string, T>, key: string, max: number, make: () => T): T {
  const cached = map.get(key);
  const value = cached ?? make();
  if (cached !== undefined) map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value!);
  return value;
}
