import type { WorkerEnv } from '@loki/ports';
import type { Segment, StoredSegment } from '@loki/segment';
import { BlockCache } from './block-cache.ts';
import { type LeafPlan, planLeaf } from './leaf-plan.ts';

/** Compiled queries kept; a dashboard has some dozens of panels. */
const plansMax = 256;
/** Segments whose footer is kept decoded. A footer takes up to some hundred KB. */
const segmentsMax = 512;

const envKey = 'engine';

/** What leaves of one worker share. */
export class LeafCache {
  readonly #plans = new Map<string, LeafPlan>();
  readonly segments = new Map<string, StoredSegment | Segment>();
  readonly blocks: BlockCache;

  constructor(bytesMax: number) {
    this.blocks = new BlockCache(bytesMax);
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
    return remember(this.#plans, text, plansMax, () => planLeaf(text));
  }

  keepSegment<T extends StoredSegment | Segment>(key: string, segment: T): T {
    return remember(this.segments, key, segmentsMax, () => segment) as T;
  }
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
