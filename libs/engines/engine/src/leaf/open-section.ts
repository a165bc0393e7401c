/** Opens a tenant's section, in memory or in the store, for reading by block: step *fetch* of a query. */
import type { LeafStats, WorkerEnv } from '@loki/ports';
import { openSegment, readSegment } from '@loki/segment';
import type { Segment, StoredSegment, TailContent } from '@loki/segment';
import { LeafCache } from './leaf-cache.ts';
import { MemoryReader } from './memory-reader.ts';
import type { Clip, SectionReader } from './section-reader.ts';
import { StoreReader, measured } from './store-reader.ts';

/** A source of a leaf's rows. Sources are given oldest first. */
export type LeafSource =
  | {
      readonly kind: 'bytes';
      readonly bytes: Uint8Array;
      /**
       * A name of the bytes that is unique in this process; with it, decoded blocks are cached for the next
       * query.
       */
      readonly cacheKey?: string;
      /**
       * Per run of the tenant's section: the number of its stream, the same in all sources of the task.
       * Absent: streams are identified by their labels.
       */
      readonly streams?: Int32Array;
    }
  | {
      readonly kind: 'object';
      readonly key: string;
      /** Only rows with startNs <= ts < endNs count; another source has the others. */
      readonly clip?: Clip;
    };

interface OpenOptions {
  readonly stats: LeafStats;
  /** Columns that should come with the footer of a stored object, where they are small. Default: none. */
  readonly content?: TailContent;
}

/** Opens a source; undefined when it has no rows of the tenant. */
export async function openSection(
  source: LeafSource,
  tenant: string,
  env: WorkerEnv,
  { stats, content }: OpenOptions,
): Promise<SectionReader | undefined> {
  const cache = LeafCache.of(env);
  stats.segments++;
  if (source.kind === 'bytes') {
    const { cacheKey } = source;
    const cached = cacheKey === undefined ? undefined : (cache.segment(cacheKey) as Segment | undefined);
    const segment = cached ?? openSegment(source.bytes);
    if (cacheKey !== undefined && !cached) cache.keepSegment(cacheKey, segment);
    const section = segment.section(tenant);
    return section && new MemoryReader(segment, section, cacheKey, cache);
  }
  const segment = await measured(env, stats, () => openStored(source.key, env, content));
  const section = segment.section(tenant);
  return section && new StoreReader({ segment, section, clip: source.clip }, env, stats);
}

/**
 * The footer of a stored segment, read once and cached for all leaves of this worker. Leaves that need it
 * while it is read share the read.
 */
export async function openStored(
  key: string,
  env: WorkerEnv,
  content: TailContent = 'index',
): Promise<StoredSegment> {
  const cache = LeafCache.of(env);
  const cached = cache.segment(key) as StoredSegment | undefined;
  if (cached) return cached;
  const pending = cache.opening.get(key);
  if (pending) return pending;
  const { tailGuess } = cache;
  const opened = readSegment(env.objectStore, key, { tailGuess, cache: env.rangeCache, content });
  cache.opening.set(key, opened);
  try {
    const segment = await opened;
    cache.keepSegment(key, segment);
    return segment;
  } finally {
    cache.opening.delete(key);
  }
}
