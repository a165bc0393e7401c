import type { CheckCancelled, LeafStats, LogLeafRequest, LogLeafResult } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block, BlockInfo } from '@loki/segment';
import type { LogPlan } from '../pipeline/compile-leaf.ts';
import { NeededLabels } from '../pipeline/needed-labels.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { RowSelection } from '../pipeline/row-selection.ts';
import { Row } from '../pipeline/row.ts';
import { LogRows } from '../series/result-rows.ts';
import { RowPicks } from '../series/row-picks.ts';
import { findCandidates, firstRowAtOrAfter } from './block-candidates.ts';
import type { Candidate } from './block-candidates.ts';
import { allPassingBlocks, passingBlocks } from './block-sieve.ts';
import type { Deletes } from './deletes.ts';
import { countCost, countRuledOut } from './dry-run.ts';
import { ReadAhead } from './read-ahead.ts';
import { countHeadShare, countLines, filterNames, selectRowsOfRun } from './row-filter.ts';
import { RowRunner } from './row-runner.ts';
import { scanContext, rowsPerCheck } from './scan-context.ts';
import type { ScanContext } from './scan-context.ts';
import type { BlockNeed, SectionReader } from './section-reader.ts';

/**
 * Stored bytes read ahead at first, some blocks of text or the small columns of a hundred: a query whose
 * limit is soon filled should not read what it will not need.
 */
const firstAheadBytes = 1 << 20;
/**
 * The same for timestamps and the metadata that filters read: those of a day's blocks stand together, and are
 * better read at once than twice with what is between them.
 */
const firstSmallBytes = 4 << 20;
/** Blocks whose labels are looked at before the lines of those that passed are read, at first and at most. */
const labelledFirst = 8;
const labelledMax = 64;

/** Rows from..to of one run. */
interface RowRange {
  readonly run: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Runs a log selection over sections, best blocks first, and stops when no block that is left can hold a
 * better row.
 *
 * @param readers one per source, oldest first; undefined where a source has nothing of the tenant
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
  const found = readers.flatMap((reader, sourceIndex) =>
    reader ? findCandidates(reader, sourceIndex, query) : [],
  );
  const candidates = deletes ? deletes.apply(found) : found;
  candidates.sort((a, b) => (isForward ? compareBig(a.minNs, b.minNs) : compareBig(b.maxNs, a.maxNs)));
  const scan = new LogScan(request, plan, context);
  if (request.isDryRun) {
    countRuledOut(context.stats, readers, found, bounds);
    scan.measure(await allPassingBlocks(candidates, plan.requirement, context));
    return scan.rows.finish(context.stats);
  }
  const passing = passingBlocks(candidates, plan.requirement, context);
  const { lineFilters, stages } = plan.pipeline;
  if (request.limit > 0 && lineFilters.length === 0 && stages.length === 0) {
    await pickRows(passing, scan, request);
  } else await scanBlocks(passing, scan);
  return scan.rows.finish(context.stats);
}

/** The common way: block by block, until the rows found are surely the best. */
async function scanBlocks(batches: AsyncIterable<readonly Candidate[]>, scan: LogScan): Promise<void> {
  for await (const candidates of batches) {
    const isDone = scan.filtersLabels
      ? await scanLabelled(candidates, scan)
      : await scanInOrder(candidates, scan);
    if (isDone) return;
  }
}

/**
 * Labels of some blocks, then the lines of those that have rows left, together. True: the rows found are
 * surely the best.
 */
async function scanLabelled(candidates: readonly Candidate[], scan: LogScan): Promise<boolean> {
  const ahead = new ReadAhead(candidates, {
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
      ahead.moveTo(from);
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

/** True: the rows found are surely the best. */
async function scanInOrder(candidates: readonly Candidate[], scan: LogScan): Promise<boolean> {
  const ahead = new ReadAhead(candidates, { needOf: () => wholeNeed, firstBytes: firstAheadBytes });
  for (let i = 0; i < candidates.length; i++) {
    scan.checkCancelled();
    if (scan.isEnough(candidates[i])) {
      scan.stats.blocksSkipped += candidates.length - i;
      return true;
    }
    ahead.moveTo(i);
    await scan.visit(candidates[i]);
  }
  return false;
}

/** Where lines do not matter: choose the rows by their timestamps, then read the lines of those chosen. */
async function pickRows(
  batches: AsyncIterable<readonly Candidate[]>,
  scan: LogScan,
  { limit, startNs, direction }: LogLeafRequest,
): Promise<void> {
  const picks = new RowPicks(limit, direction === 'forward');
  const candidates: Candidate[] = [];
  batches: for await (const batch of batches) {
    const ahead = new ReadAhead(batch, {
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
      ahead.moveTo(i);
      const at = candidates.push(candidate) - 1;
      await scan.pick(candidate, bound, (row, ts) =>
        picks.add(ts + Number(candidate.info.baseNs - startNs), at, row),
      );
      picks.prune();
    }
  }
  // All of them are read: in the order of the object, so that neighbours are read together.
  const chosen = [...picks.finish()].sort((a, b) =>
    compareCandidates(candidates[a.candidate], candidates[b.candidate]),
  );
  const chosenBlocks = chosen.map(({ candidate }) => candidates[candidate]);
  const ahead = new ReadAhead(chosenBlocks, { needOf: () => wholeNeed });
  for (let i = 0; i < chosen.length; i++) {
    scan.checkCancelled();
    ahead.moveTo(i);
    await scan.take(candidates[chosen[i].candidate], chosen[i].rows);
  }
}

function compareCandidates(a: Candidate, b: Candidate): number {
  return a.sourceIndex - b.sourceIndex || a.info.index - b.info.index;
}

function compareBig(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

class LogScan {
  readonly rows: LogRows;
  readonly stats: LeafStats;
  readonly checkCancelled: CheckCancelled;
  readonly #request: LogLeafRequest;
  readonly #plan: LogPlan;
  readonly #isForward: boolean;
  readonly #runner: RowRunner;
  readonly #selection = new RowSelection();
  readonly #row = new Row();
  readonly #deletes: Deletes | undefined;

  constructor(
    request: LogLeafRequest,
    plan: LogPlan,
    { stats, deletes, memory, checkCancelled }: ScanContext,
  ) {
    this.#request = request;
    this.#plan = plan;
    this.stats = stats;
    this.#deletes = deletes;
    this.checkCancelled = checkCancelled;
    this.#isForward = request.direction === 'forward';
    this.#runner = new RowRunner(plan.pipeline, NeededLabels.all);
    this.rows = new LogRows(request.limit, request.direction, memory);
    this.#row.nowNs = request.endNs;
  }

  /**
   * Counts what `visit` would read: where every row counts, not the blocks beyond those that surely fill the
   * limit.
   */
  measure(candidates: readonly Candidate[]): void {
    const { limit } = this.#request;
    const before = this.stats.linesProcessed;
    let bound: bigint | undefined;
    for (const candidate of candidates) {
      if (this.#takesAll && limit > 0 && bound !== undefined && this.stats.linesProcessed - before >= limit) {
        if (this.isBeyond(candidate, bound)) {
          this.stats.blocksSkipped++;
          continue;
        }
      }
      countCost(this.stats, candidate, true);
      const farthest = this.#isForward ? candidate.maxNs : candidate.minNs;
      if (bound === undefined || (this.#isForward ? farthest > bound : farthest < bound)) bound = farthest;
    }
  }

  /** No row of the block can be among the best. */
  isEnough(candidate: Candidate): boolean {
    const { bound } = this.rows;
    return bound !== undefined && this.isBeyond(candidate, bound);
  }

  /** Labels alone may rule out a block. */
  get filtersLabels(): boolean {
    return this.#plan.pipeline.baseFilters.length > 0;
  }

  /** Whether filters on labels leave anything of a block, which then stays loaded for its visit. */
  async mayCount(candidate: Candidate): Promise<boolean> {
    const { reader, info } = candidate;
    const first = reader.load(info, this.firstNeed(candidate));
    this.#select(candidate, first instanceof Promise ? await first : first, this.rows.bound);
    if (this.#selection.count > 0) return true;
    this.stats.blocksMatched++;
    this.stats.blocksSkipped++;
    reader.release(info);
    return false;
  }

  /** All rows of the block that count are worse than one at `bound`. */
  isBeyond(candidate: Candidate, bound: bigint): boolean {
    return this.#isForward ? candidate.minNs > bound : candidate.maxNs < bound;
  }

  /** Filters on metadata come first: when they leave nothing, lines are not even fetched. */
  firstNeed({ info }: Candidate): BlockNeed {
    const { pipeline } = this.#plan;
    return pipeline.baseFilters.length === 0 ? wholeNeed : labelsNeed(pipeline, info);
  }

  /** The columns that `pick` reads. */
  pickNeed({ info }: Candidate): BlockNeed {
    return labelsNeed(this.#plan.pipeline, info);
  }

  async visit(candidate: Candidate): Promise<void> {
    const { reader, info } = candidate;
    const first = reader.load(info, this.firstNeed(candidate));
    const labelled = first instanceof Promise ? await first : first;
    this.stats.blocksMatched++;
    const deleted = candidate.touched && (await this.#deletes!.rowsOf(candidate));
    this.#select(candidate, labelled, this.rows.bound);
    if (deleted) this.#selection.intersect(deleted, deleted.length, true);
    if (this.#selection.count > 0) await this.#collect(candidate);
    else this.stats.blocksSkipped++;
    reader.release(info);
  }

  /** Calls back for the rows of a block that pass the filters on labels and may be better than `bound`. */
  async pick(
    candidate: Candidate,
    bound: bigint | undefined,
    onRow: (row: number, ts: number) => void,
  ): Promise<void> {
    const { reader, info } = candidate;
    const first = reader.load(info, this.pickNeed(candidate));
    const block = first instanceof Promise ? await first : first;
    this.stats.blocksMatched++;
    const deleted = candidate.touched && (await this.#deletes!.rowsOf(candidate));
    this.#select(candidate, block, bound);
    if (deleted) this.#selection.intersect(deleted, deleted.length, true);
    const timestamps = block.timestamps();
    for (let i = 0; i < this.#selection.count; i++) {
      const row = this.#selection.rows[i];
      onRow(row, timestamps[row]);
    }
    reader.release(info);
  }

  /** Puts the given rows of a block among the answer's. */
  async take(candidate: Candidate, rows: Uint32Array): Promise<void> {
    this.#selection.clear(candidate.info.rowCount);
    for (const row of rows) this.#selection.add(row);
    await this.#collect(candidate);
    candidate.reader.release(candidate.info);
  }

  #select(candidate: Candidate, block: Block, bound: bigint | undefined): void {
    const { info } = candidate;
    const selection = this.#selection;
    selection.clear(info.rowCount);
    this.#runner.startBlock(candidate.reader.section, block);
    for (const run of candidate.runs) {
      const { from, to } = this.#rangeOf(candidate, block, run, bound);
      if (from < to) {
        selectRowsOfRun(
          selection,
          candidate,
          block,
          this.#runner.resolver,
          this.#plan.pipeline,
          run,
          from,
          to,
        );
      }
    }
  }

  /** Rows of a run inside the time range that can still be among the best. */
  #rangeOf(candidate: Candidate, block: Block, run: number, bound: bigint | undefined): RowRange {
    const { info } = candidate;
    const { runs } = info;
    let { fromTs, toTs } = candidate;
    if (bound !== undefined) {
      const relative = Number(bound - info.baseNs);
      if (this.#isForward) toTs = Math.min(toTs, relative);
      else fromTs = Math.max(fromTs, relative);
    }
    let from = runs.firstRow[run];
    let to = runs.firstRow[run + 1];
    if (runs.minTs[run] < fromTs) from = firstRowAtOrAfter(block.timestamps(), from, to, fromTs);
    if (runs.maxTs[run] > toTs) to = firstRowAtOrAfter(block.timestamps(), from, to, toTs + 1);
    const { limit } = this.#request;
    if (limit > 0 && to - from > limit && this.#takesAll && !candidate.touched) {
      // Without filters every row counts, so that of one stream only the first ones can.
      if (this.#isForward) to = from + limit;
      else from = to - limit;
    }
    return { run, from, to };
  }

  get #takesAll(): boolean {
    const { baseFilters, lineFilters, stages } = this.#plan.pipeline;
    return baseFilters.length === 0 && lineFilters.length === 0 && stages.length === 0;
  }

  /** Filters the selected rows by their lines, runs them through the stages, and keeps what is left. */
  async #collect(candidate: Candidate): Promise<void> {
    const { reader, info } = candidate;
    const loaded = reader.load(info, wholeNeed);
    const block = loaded instanceof Promise ? await loaded : loaded;
    const selection = this.#selection;
    const lines = block.lines();
    const ends = block.lineEnds();
    countLines(this.stats, candidate, selection.count, selection.lineBytes(ends));
    for (const filter of this.#plan.pipeline.lineFilters) filter.select(selection, lines, ends);
    for (const filter of this.#plan.impliedFilters) filter.select(selection, reader.section, block);
    this.#runner.startRows(reader.section, block, true);
    const { linesMatched, metadataBytes } = this.stats;
    const { firstRow } = info.runs;
    let from = 0;
    for (const run of candidate.runs) {
      let to = from;
      while (to < selection.count && selection.rows[to] < firstRow[run + 1]) to++;
      if (to > from) this.#collectRun(candidate, { run, from, to });
      from = to;
    }
    countHeadShare(this.stats, candidate, { linesMatched, metadataBytes });
    this.rows.prune();
  }

  /**
   * `range` counts places in the selection. In the answer's direction, so that a run stops giving rows at the
   * limit.
   */
  #collectRun({ info, sourceIndex }: Candidate, range: RowRange): void {
    const { limit } = this.#request;
    const stream = info.runs.stream[range.run];
    const row = this.#row;
    let found = 0;
    for (let i = 0; i < range.to - range.from; i++) {
      const at = this.#selection.rows[this.#isForward ? range.from + i : range.to - 1 - i];
      if (i % rowsPerCheck === 0) this.checkCancelled();
      const passes = this.#runner.run(row, stream, at);
      this.stats.metadataBytes += row.base.metadataBytes;
      if (!passes) continue;
      this.rows.add(row, { sourceIndex, blockIndex: info.index, row: at });
      this.stats.linesMatched++;
      if (limit > 0 && ++found >= limit) return;
    }
  }
}

const wholeNeed: BlockNeed = {
  mask: columns.timestamps | columns.lineLengths | columns.lines | columns.metadata,
};

/** The columns that filters on labels, and the time, read. */
function labelsNeed(pipeline: Pipeline, info: BlockInfo): BlockNeed {
  const names = filterNames(pipeline, info);
  return { mask: columns.timestamps | (names.length > 0 ? columns.metadata : 0), names };
}
