/** Runs a leaf over whole sources, in a worker: step *fetch, scan* of a query. */
import { LokiError } from '@loki/model';
import type { CheckCancelled, LeafRequest, LeafResult, Task, WorkerEnv } from '@loki/ports';
import { MemoryPool } from '../common/memory-budget.ts';
import { buffersOf, packLeafResult } from '../merge/packed-result.ts';
import type { PackedLeafResult } from '../merge/packed-result.ts';
import type { LeafPlan } from '../pipeline/compile-leaf.ts';
import { Deletes } from './deletes.ts';
import { LeafCache } from './leaf-cache.ts';
import { runLogLeaf } from './log-leaf.ts';
import { openSection } from './open-section.ts';
import type { LeafSource } from './open-section.ts';
import { contentFor } from './open-task.ts';
import { runSampleLeaf } from './sample-leaf.ts';
import { scanContext } from './scan-context.ts';
import type { ScanContext } from './scan-context.ts';
import type { SourceCosts } from './source-costs.ts';

export interface LeafTaskInput {
  readonly request: LeafRequest;
  /** Oldest first. */
  readonly sources: readonly LeafSource[];
}

/** Sources that are opened in parallel; each takes one request to the store at most. */
const openedAtOnce = 16;

/** Runs one leaf over whole sources. For sources without rows of the tenant only the footer is read. */
export const leafTask: Task<LeafTaskInput, PackedLeafResult> = {
  name: 'engine.leaf',
  run: runLeafTask,
  transferOutput: buffersOf,
};

async function runLeafTask(
  input: LeafTaskInput,
  env: WorkerEnv,
  checkCancelled?: CheckCancelled,
): Promise<PackedLeafResult> {
  return packLeafResult(await scanSources(input, env, { checkCancelled }));
}

interface ScanOptions {
  readonly checkCancelled?: CheckCancelled;
  /** Learns the cost of each source; absent: only their sum is known. */
  readonly costs?: SourceCosts;
}

/** The rows of a leaf in all its sources. */
export async function scanSources(
  input: LeafTaskInput,
  env: WorkerEnv,
  options: ScanOptions,
): Promise<LeafResult> {
  try {
    return await scanIntact(input, env, options);
  } catch (error) {
    if (error instanceof LokiError && error.code === 'corrupt') LeafCache.of(env).forget();
    throw error;
  }
}

async function scanIntact(
  { request, sources }: LeafTaskInput,
  env: WorkerEnv,
  { checkCancelled, costs }: ScanOptions,
): Promise<LeafResult> {
  const cache = LeafCache.of(env);
  const plan = cache.plan(request.expr);
  const memory = poolOf(env).open(request.memoryBytesMax);
  const context = scanContext({ deletes: Deletes.of(request.deletes, cache), memory, checkCancelled, costs });
  try {
    return await runPlan({ request, sources }, plan, context, env);
  } finally {
    memory.close();
  }
}

async function runPlan(
  { request, sources }: LeafTaskInput,
  plan: LeafPlan,
  context: ScanContext,
  env: WorkerEnv,
): Promise<LeafResult> {
  const readers = [];
  const content = contentFor(plan);
  for (let i = 0; i < sources.length; i += openedAtOnce) {
    context.checkCancelled();
    const opened = sources.slice(i, i + openedAtOnce).map((source, k) => {
      const stats = context.costs?.fetchesOf(i + k) ?? context.stats;
      return openSection(source, request.tenant, env, { stats, content });
    });
    readers.push(...(await Promise.all(opened)));
  }
  if (request.kind === 'log' && plan.kind === 'log') return runLogLeaf(request, plan, readers, context);
  if (request.kind === 'samples' && plan.kind === 'samples') {
    return runSampleLeaf(request, plan, readers, context);
  }
  throw new Error(`a leaf of kind ${request.kind} cannot run ${request.expr}`);
}

/**
 * Default of the bytes that the leaves of a worker may hold together. It is well below the worker's heap,
 * which includes buffers: near that limit the garbage collector takes nearly all the time (47 of 60 s,
 * measured).
 */
const stateBytesMax = 384 * 2 ** 20;

/** Of each worker. Not in its caches, which may be dropped while a leaf runs. */
const pools = new WeakMap<WorkerEnv, MemoryPool>();

/** The memory that all leaves of a worker share. */
export function poolOf(env: WorkerEnv): MemoryPool {
  let pool = pools.get(env);
  if (!pool) {
    pool = new MemoryPool(env.stateBytesMax ?? stateBytesMax);
    pools.set(env, pool);
  }
  return pool;
}
