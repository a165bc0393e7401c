/** A test thread that pauses work on demand. */
import { MemoryPool } from '../common/memory-budget.ts';
import type { EvaluateOptions } from '../common/query-types.ts';
import { complete } from '../common/sliced-work.ts';

/** A thread whose works pause when `pause` says so. */
export function pausingThread(
  pause: () => Promise<void> | undefined,
): NonNullable<EvaluateOptions['thread']> {
  return {
    memory: new MemoryPool(Infinity),
    complete: (work, checkCancelled) => complete(work, pause, checkCancelled),
  };
}
