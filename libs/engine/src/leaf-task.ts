import { LokiError } from '@loki/model';
import {
  type CheckCancelled,
  type LeafRequest,
  type LeafResult,
  type LogLeafRequest,
  type LogLeafResult,
  type SampleLeafRequest,
  type SampleLeafResult,
  type Task,
  type WorkerEnv,
} from '@loki/ports';
import { Deletes } from './deletes.ts';
import { LeafCache } from './leaf-cache.ts';
import { leafRun } from './leaf-run.ts';
import { runLogLeaf } from './log-leaf.ts';
import { MemoryBudget } from './memory-budget.ts';
import { mergeLogResults } from './merge-log.ts';
import { mergeSampleResults } from './root-merge.ts';
import { runSampleLeaf } from './sample-leaf.ts';
import { type LeafSource, openSection } from './section-reader.ts';

export interface LeafTaskInput {
  readonly request: LeafRequest;
  /** Oldest first. */
  readonly sources: readonly LeafSource[];
}

/** Sources opened at a time: each costs a request to the store at most. */
const openedAtOnce = 16;

/** Runs one leaf over whole sources. Sources without rows of the tenant cost a look at their footer. */
export const leafTask: Task<LeafTaskInput, LeafResult> = {
  name: 'engine.leaf',
  run: runLeafTask,
  transferOutput: buffersOf,
};

async function runLeafTask(
  input: LeafTaskInput,
  env: WorkerEnv,
  checkCancelled?: CheckCancelled,
): Promise<LeafResult> {
  try {
    return await scanSources(input, env, checkCancelled);
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
  const run = leafRun({
    deletes: Deletes.of(request.deletes, cache),
    memory: new MemoryBudget(request.memoryBytesMax),
    checkCancelled,
  });
  const readers = [];
  for (let i = 0; i < sources.length; i += openedAtOnce) {
    run.checkCancelled();
    const batch = sources.slice(i, i + openedAtOnce);
    readers.push(
      ...(await Promise.all(batch.map((source) => openSection(source, request.tenant, env, run.stats)))),
    );
  }
  if (request.kind === 'log' && plan.kind === 'log') return runLogLeaf(request, plan, readers, run);
  if (request.kind === 'samples' && plan.kind === 'samples')
    return runSampleLeaf(request, plan, readers, run);
  throw new Error(`a leaf of kind ${request.kind} cannot run ${request.expr}`);
}

/** Buffers that nobody else holds: they move to the caller's thread instead of being copied. */
function buffersOf(result: LeafResult): ArrayBuffer[] {
  const views =
    result.kind === 'log'
      ? [result.timestampNs, result.labelSet, result.lineEnds, result.lines]
      : result.series.flatMap((series) => [
          ...series.columns,
          ...(series.values ? [series.values.ends, series.values.values] : []),
        ]);
  const buffers = new Set<ArrayBuffer>();
  for (const { buffer } of views)
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffers.add(buffer);
  return [...buffers];
}

/** One result from those of several places, oldest first. */
export function mergeLeafResults(request: LeafRequest, results: readonly LeafResult[]): LeafResult {
  return request.kind === 'log'
    ? mergeLogResults(request satisfies LogLeafRequest, results as readonly LogLeafResult[])
    : mergeSampleResults(request satisfies SampleLeafRequest, results as readonly SampleLeafResult[]);
}
