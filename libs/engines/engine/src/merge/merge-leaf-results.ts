/** Merges results of one leaf from several processes or segments: step *merge* of a query. */
import type {
  LeafRequest,
  LeafResult,
  LogLeafRequest,
  LogLeafResult,
  SampleLeafRequest,
  SampleLeafResult,
} from '@loki/ports';
import type { MemoryPool } from '../common/memory-budget.ts';
import type { Work } from '../common/sliced-work.ts';
import { mergeLogResults } from './merge-log.ts';
import { mergeSampleResults } from './merge-samples.ts';

/**
 * Merges the results of parts of one leaf, given oldest first, into the result of the whole leaf. Sliced
 * work: O(rows) for logs, O(series × windows) for samples.
 *
 * @param pool the thread's pool, in which the merge counts its memory
 */
export function* mergeLeafResults(
  request: LeafRequest,
  results: readonly LeafResult[],
  pool?: MemoryPool,
): Work<LeafResult> {
  return request.kind === 'log'
    ? yield* mergeLogResults(request satisfies LogLeafRequest, results as readonly LogLeafResult[])
    : yield* mergeSampleResults(
        request satisfies SampleLeafRequest,
        results as readonly SampleLeafResult[],
        pool,
      );
}
