/** Runs a log selection over sections: step *fetch, scan* of a query. */
import type { LogLeafRequest, LogLeafResult } from '@loki/ports';
import type { LogPlan } from '../pipeline/compile-leaf.ts';
import { RowPicks } from '../series/row-picks.ts';
import { findCandidates } from './block-candidates.ts';
import type { Candidate } from './block-candidates.ts';
import { allPassingBlocks, passingBlocks } from './block-sieve.ts';
import { countRuledOut } from './dry-run.ts';
import { LogScan, wholeNeed } from './log-scan.ts';
import { ReadAhead } from './read-ahead.ts';
import { scanContext } from './scan-context.ts';
import type { ScanContext } from './scan-context.ts';
import type { SectionReader } from './section-reader.ts';

/**
 * Bytes that are read ahead at first: some blocks of text, or the small columns of a hundred. A query whose
 * limit is soon filled should not read more than it needs.
 */
const firstAheadBytes = 1 << 20;
/**
 * The same for timestamps and the metadata that filters read: these columns of a day's blocks are neighbours,
 * and one read of them is cheaper than two reads with a gap.
 */
const firstSmallBytes = 4 << 20;
/**
 * Blocks that are filtered by labels before the lines of the remaining ones are read, at first and at most.
 */
const labelledFirst = 8;
const labelledMax = 64;

/**
 * Runs a log selection over sections, the most relevant blocks first, and stops when no further block can
 * contain a better row.
 *
 * @param readers one per source, oldest first; undefined for a source without rows of the tenant
 */
export async function runLogLeaf(
  request: LogLeafRequest,
  plan: LogPlan,
  readers: readonly (SectionReader | undefined)[],
  options: Partial<ScanContext> = {},
): Promise<LogLeafResult> {
  const context = scanContext(options);
  const { deletes } = context;
  const isForward = request.direction === 'forward';
  const bounds = { fromNs: request.startNs, toNs: request.endNs - 1n };
  const query = { selector: plan.selector, shard: request.shard, ...bounds };
  const matches = readers.flatMap((reader, sourceIndex) =>
    reader ? findCandidates(reader, sourceIndex, query) : [],
  );
  const candidates = deletes ? deletes.apply(matches) : matches;
  candidates.sort((a, b) => (isForward ? compareBig(a.minNs, b.minNs) : compareBig(b.maxNs, a.maxNs)));
  const scan = new LogScan(request, plan, context);
  if (request.isDryRun) {
    countRuledOut(context.stats, readers, matches, bounds);
    scan.measure(await allPassingBlocks(candidates, plan.requirement, context));
    return scan.rows.finish(context.stats);
  }
  const passing = passingBlocks(candidates, plan.requirement, context);
  const { lineFilters, dropsRows } = plan.pipeline;
  if (request.limit > 0 && lineFilters.length === 0 && !dropsRows) {
    await pickRows(passing, scan, request);
  } else await scanBlocks(passing, scan);
  return scan.rows.finish(context.stats);
}

/** Scans block by block until the collected rows are certainly the best ones. */
async function scanBlocks(batches: AsyncIterable<readonly Candidate[]>, scan: LogScan): Promise<void> {
  for await (const candidates of batches) {
    const isDone = scan.filtersLabels
      ? await scanLabelled(candidates, scan)
      : await scanInOrder(candidates, scan);
    if (isDone) return;
  }
}

/**
 * Filters some blocks by labels, then scans the blocks with remaining rows together. True: the collected rows
 * are certainly the best ones.
 */
async function scanLabelled(candidates: readonly Candidate[], scan: LogScan): Promise<boolean> {
  const readAhead = new ReadAhead(candidates, {
    needOf: (candidate) => scan.firstNeed(candidate),
    firstBytes: firstSmallBytes,
  });
  let count = labelledFirst;
  for (let from = 0; from < candidates.length;) {
    const passing: Candidate[] = [];
    const to = Math.min(candidates.length, from + count);
    for (; from < to; from++) {
      scan.checkCancelled();
      if (scan.isEnough(candidates[from])) {
        scan.stats.blocksSkipped += candidates.length - from;
        await scanInOrder(passing, scan);
        return true;
      }
      readAhead.moveTo(from);
      if (await scan.mayCount(candidates[from])) passing.push(candidates[from]);
    }
    if (await scanInOrder(passing, scan)) {
      scan.stats.blocksSkipped += candidates.length - from;
      return true;
    }
    count = Math.min(count * 2, labelledMax);
  }
  return false;
}

/** Scans blocks in their order. True: the collected rows are certainly the best ones. */
async function scanInOrder(candidates: readonly Candidate[], scan: LogScan): Promise<boolean> {
  const readAhead = new ReadAhead(candidates, { needOf: () => wholeNeed, firstBytes: firstAheadBytes });
  for (let i = 0; i < candidates.length; i++) {
    scan.checkCancelled();
    if (scan.isEnough(candidates[i])) {
      scan.stats.blocksSkipped += candidates.length - i;
      return true;
    }
    readAhead.moveTo(i);
    await scan.visit(candidates[i]);
  }
  return false;
}

/**
 * For queries without filters on lines or parsed labels: chooses rows by their timestamps, then reads the
 * lines of the chosen rows only.
 */
async function pickRows(
  batches: AsyncIterable<readonly Candidate[]>,
  scan: LogScan,
  { limit, startNs, direction }: LogLeafRequest,
): Promise<void> {
  const picks = new RowPicks(limit, direction === 'forward');
  const candidates: Candidate[] = [];
  batches: for await (const batch of batches) {
    const readAhead = new ReadAhead(batch, {
      needOf: (candidate) => scan.pickNeed(candidate),
      firstBytes: firstSmallBytes,
    });
    for (let i = 0; i < batch.length; i++) {
      scan.checkCancelled();
      const candidate = batch[i];
      const bound = picks.bound === undefined ? undefined : startNs + BigInt(picks.bound);
      if (bound !== undefined && scan.isBeyond(candidate, bound)) {
        scan.stats.blocksSkipped += batch.length - i;
        break batches;
      }
      readAhead.moveTo(i);
      const at = candidates.push(candidate) - 1;
      await scan.pick(candidate, bound, (row, ts) =>
        picks.add(ts + Number(candidate.info.baseNs - startNs), at, row),
      );
      picks.prune();
    }
  }
  // All chosen blocks are read, in the order of the object, so that neighbours are read together.
  const choice = [...picks.finish()].sort((a, b) =>
    compareCandidates(candidates[a.candidate], candidates[b.candidate]),
  );
  const blocks = choice.map(({ candidate }) => candidates[candidate]);
  const readAhead = new ReadAhead(blocks, { needOf: () => wholeNeed });
  for (let i = 0; i < choice.length; i++) {
    scan.checkCancelled();
    readAhead.moveTo(i);
    await scan.take(candidates[choice[i].candidate], choice[i].rows);
  }
}

function compareCandidates(a: Candidate, b: Candidate): number {
  return a.sourceIndex - b.sourceIndex || a.info.index - b.info.index;
}

function compareBig(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
