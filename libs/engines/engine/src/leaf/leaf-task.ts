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

interface LeafTaskInput {
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
  try {
    return packLeafResult(await scanSources(input, env, checkCancelled));
  } catch (error) {
    if (error instanceof LokiError && error.code === 'corrupt') LeafCache.of(env).forget();
    throw error;
  }
}

async function scanSources(
  { request, sources }: LeafTaskInput,
  env: WorkerEnv,
  checkCancelled?: CheckCancelled,
): Promise<LeafResult> {
  const cache = LeafCache.of(env);
  const plan = cache.plan(request.expr);
  const memory = poolOf(env).open(request.memoryBytesMax);
  const context = scanContext({ deletes: Deletes.of(request.deletes, cache), memory, checkCancelled });
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
    const batch = sources.slice(i, i + openedAtOnce);
    readers.push(
      ...(await Promise.all(
        batch.map((source) => openSection(source, request.tenant, env, { stats: context.stats, content })),
      )),
    );
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

function poolOf(env: WorkerEnv): MemoryPool {
  let pool = pools.get(env);
  if (!pool) {
    pool = new MemoryPool(env.stateBytesMax ?? stateBytesMax);
    pools.set(env, pool);
  }
  return pool;
}
