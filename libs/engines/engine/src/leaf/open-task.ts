/** Opens stored segments before their scans: step *fetch* of a query. */
import type { CheckCancelled, Task, WorkerEnv } from '@loki/ports';
import type { TailContent } from '@loki/segment';
import { neverCancelled } from '../common/cancel.ts';
import type { LeafPlan } from '../pipeline/compile-leaf.ts';
import { LeafCache } from './leaf-cache.ts';
import { openStored } from './open-section.ts';

interface OpenTaskInput {
  readonly request: {
    readonly tenant: string;
    /**
     * The leaf whose scans follow: it decides what is read with the footers. Absent: only their streams are
     * needed.
     */
    readonly expr?: string;
  };
  readonly keys: readonly string[];
}

/** Segments that are opened in parallel; each takes one request to the store, seldom two. */
const openedAtOnce = 32;

/**
 * Reads the footers of stored segments into the worker's cache. Scans that come meanwhile share these reads.
 * A segment that cannot be opened is left to its scan, which reports the failure.
 */
export const openTask: Task<OpenTaskInput, undefined> = { name: 'engine.open', run: openSegments };

async function openSegments(
  { request, keys }: OpenTaskInput,
  env: WorkerEnv,
  checkCancelled: CheckCancelled = neverCancelled,
): Promise<undefined> {
  const cache = LeafCache.of(env);
  const content = request.expr === undefined ? 'index' : contentFor(cache.plan(request.expr));
  let bytes = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    // Footers of more segments would displace those that come first.
    while (next < keys.length && bytes < cache.segmentBytesMax / 2) {
      checkCancelled();
      const segment = await openStored(keys[next++], env, content).catch(() => undefined);
      if (segment) bytes += cache.weightOf(segment);
    }
  };
  await Promise.all(Array.from({ length: Math.min(openedAtOnce, keys.length) }, work));
  return undefined;
}

/** The small columns that the scan of a leaf reads of all blocks in any case. */
export function contentFor(plan: LeafPlan): TailContent {
  if (plan.requirement) return 'filters';
  const { lineFilters, dropsRows } = plan.pipeline;
  return lineFilters.length === 0 && !dropsRows ? 'timestamps' : 'index';
}
