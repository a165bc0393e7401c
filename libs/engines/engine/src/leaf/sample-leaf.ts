/** Runs a range aggregation over sections: step *fetch, scan* of a query. */
import type { SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import type { SamplePlan } from '../pipeline/compile-leaf.ts';
import { findCandidates } from './block-candidates.ts';
import { allPassingBlocks } from './block-sieve.ts';
import { countRuledOut } from './dry-run.ts';
import { countHeadShare } from './row-filter.ts';
import { FailedRow } from './rows-in-range.ts';
import { SampleScan } from './sample-scan.ts';
import { scanContext } from './scan-context.ts';
import type { ScanContext } from './scan-context.ts';
import type { SectionReader } from './section-reader.ts';

/**
 * Runs a range aggregation over sections.
 *
 * @param readers one per source, oldest first; undefined for a source without rows of the tenant
 * @throws LokiError for too many series, and for rows with errors that the query does not filter
 */
export async function runSampleLeaf(
  request: SampleLeafRequest,
  plan: SamplePlan,
  readers: readonly (SectionReader | undefined)[],
  options: Partial<ScanContext> = {},
): Promise<SampleLeafResult> {
  const context = scanContext(options);
  const { deletes } = context;
  const scan = new SampleScan(request, plan, context);
  const matches = readers.flatMap((reader, sourceIndex) =>
    reader
      ? findCandidates(reader, sourceIndex, {
          selector: plan.selector,
          shard: request.shard,
          ...scan.grid.bounds,
        })
      : [],
  );
  const selected = deletes ? deletes.apply(matches) : matches;
  const candidates = await allPassingBlocks(selected, plan.requirement, context);
  if (request.isDryRun) {
    countRuledOut(context.stats, readers, matches, scan.grid.bounds);
    for (const candidate of candidates) scan.measure(candidate);
    return scan.finish();
  }
  const readAhead = scan.readAhead(candidates);
  for (let i = 0; i < candidates.length; i++) {
    context.checkCancelled();
    readAhead.moveTo(i);
    const { linesMatched, metadataBytes } = context.stats;
    try {
      const visit = scan.visit(candidates[i]);
      if (visit) await visit;
      countHeadShare(context.stats, candidates[i], { linesMatched, metadataBytes });
    } catch (error) {
      throw error instanceof FailedRow ? await scan.explain(candidates[i], error) : error;
    }
    const { sourceIndex } = candidates[i];
    if (candidates[i + 1]?.sourceIndex !== sourceIndex) context.costs?.endSource(sourceIndex, context.stats);
  }
  return scan.finish();
}
