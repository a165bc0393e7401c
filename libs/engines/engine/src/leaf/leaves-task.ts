/**
 * Runs leaves of one query over the segments that a thread has, in one task: step *fetch, scan* of a query.
 * A message wakes the thread, which costs more than the scan of a small segment.
 */
import { LokiError } from '@loki/model';
import type { CheckCancelled, LeafRequest, Task, WorkerEnv } from '@loki/ports';
import { buffersOf, packedBytes, packLeafResult } from '../merge/packed-result.ts';
import type { PackedLeafResult } from '../merge/packed-result.ts';
import { poolOf, scanSources } from './leaf-task.ts';
import type { LeafTaskInput } from './leaf-task.ts';
import { SourceCosts } from './source-costs.ts';
import type { SourceCost } from './source-costs.ts';

/** One leaf of the task: its sources give one result together. */
interface LeafPart extends Pick<LeafTaskInput, 'sources'> {
  /** The time range of a log leaf, if it differs from the request's. */
  readonly window?: { readonly startNs: bigint; readonly endNs: bigint };
}

interface LeavesTaskInput {
  readonly request: LeafRequest;
  readonly leaves: readonly LeafPart[];
}

interface LeavesTaskOutput {
  /** One for each leaf. */
  readonly results: readonly PackedLeafResult[];
  /** One for each source, in the order of the leaves. */
  readonly costs: readonly SourceCost[];
}

/** Runs the leaves. One computes while others wait for the store. */
export const leavesTask: Task<LeavesTaskInput, LeavesTaskOutput> = {
  name: 'engine.leaves',
  run: runLeaves,
  transferOutput: ({ results }) => results.flatMap(buffersOf),
};

async function runLeaves(
  { request, leaves }: LeavesTaskInput,
  env: WorkerEnv,
  checkCancelled?: CheckCancelled,
): Promise<LeavesTaskOutput> {
  const beganMs = env.clock?.monotonicMs() ?? 0;
  const results: PackedLeafResult[] = [];
  const costs: SourceCost[][] = [];
  // Results wait for the last leaf.
  const memory = leaves.length > 1 ? poolOf(env).open() : undefined;
  let isFailed = false;
  const check = () => {
    if (isFailed) throw new LokiError('clientGone', 'another leaf of the task failed');
    checkCancelled?.();
  };
  const run = async ({ sources, window }: LeafPart, index: number) => {
    const sourceCosts = new SourceCosts(sources.length, env.clock, beganMs);
    const input = { request: window ? { ...request, ...window } : request, sources };
    const result = await scanSources(input, env, { checkCancelled: check, costs: sourceCosts });
    costs[index] = sourceCosts.finish(result.stats);
    const packed = packLeafResult(result);
    memory?.charge(packedBytes(packed));
    results[index] = packed;
  };
  try {
    await Promise.all(leaves.map(run));
    return { results, costs: costs.flat() };
  } catch (error) {
    isFailed = true;
    throw error;
  } finally {
    memory?.close();
  }
}
