/** Scans blocks for the rows of a log selection: step *fetch, scan* of a query. */
import type { CheckCancelled, LeafStats, LogLeafRequest } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block, BlockInfo } from '@loki/segment';
import type { LogPlan } from '../pipeline/compile-leaf.ts';
import { NeededLabels } from '../pipeline/needed-labels.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { RowSelection } from '../pipeline/row-selection.ts';
import { Row } from '../pipeline/row.ts';
import { LogRows } from '../series/result-rows.ts';
import { firstRowAtOrAfter } from './block-candidates.ts';
import type { Candidate } from './block-candidates.ts';
import type { Deletes } from './deletes.ts';
import { countCost } from './dry-run.ts';
import { countHeadShare, countLines, filterNames, selectRowsOfRun } from './row-filter.ts';
import { RowRunner } from './row-runner.ts';
import { rowsPerCheck } from './scan-context.ts';
import type { ScanContext } from './scan-context.ts';
import type { BlockNeed } from './section-reader.ts';

/** Rows [from, to) of one run. */
interface RowRange {
  readonly run: number;
  readonly from: number;
  readonly to: number;
}

export class LogScan {
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
   * Counts the cost of a scan. If every row is selected, blocks after those that certainly fill the limit do
   * not count.
   */
  measure(candidates: readonly Candidate[]): void {
    const { limit } = this.#request;
    const linesBefore = this.stats.linesProcessed;
    let bound: bigint | undefined;
    for (const candidate of candidates) {
      if (
        this.#takesAll &&
        limit > 0 &&
        bound !== undefined &&
        this.stats.linesProcessed - linesBefore >= limit
      ) {
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

  /** Whether no row of the block can be among the best. */
  isEnough(candidate: Candidate): boolean {
    const { bound } = this.rows;
    return bound !== undefined && this.isBeyond(candidate, bound);
  }

  /** Whether filters on labels may rule out a block. */
  get filtersLabels(): boolean {
    return this.#plan.pipeline.baseFilters.length > 0;
  }

  /** Whether rows of the block pass the filters on labels; the block then stays loaded for its visit. */
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

  /** Whether all selected rows of the block are worse than one at `bound`. */
  isBeyond(candidate: Candidate, bound: bigint): boolean {
    return this.#isForward ? candidate.minNs > bound : candidate.maxNs < bound;
  }

  /** The columns that filters on metadata need. They run first: if no row passes, lines are not fetched. */
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
    const deleted = candidate.affected && (await this.#deletes!.rowsOf(candidate));
    this.#select(candidate, labelled, this.rows.bound);
    if (deleted) this.#selection.intersect(deleted, deleted.length, true);
    if (this.#selection.count > 0) await this.#collect(candidate);
    else this.stats.blocksSkipped++;
    reader.release(info);
  }

  /** Calls `add` for the rows of a block that pass the filters on labels and may be better than `bound`. */
  async pick(
    candidate: Candidate,
    bound: bigint | undefined,
    onRow: (row: number, ts: number) => void,
  ): Promise<void> {
    const { reader, info } = candidate;
    const first = reader.load(info, this.pickNeed(candidate));
    const block = first instanceof Promise ? await first : first;
    this.stats.blocksMatched++;
    const deleted = candidate.affected && (await this.#deletes!.rowsOf(candidate));
    this.#select(candidate, block, bound);
    if (deleted) this.#selection.intersect(deleted, deleted.length, true);
    const timestamps = block.timestamps();
    for (let i = 0; i < this.#selection.count; i++) {
      const row = this.#selection.rows[i];
      onRow(row, timestamps[row]);
    }
    reader.release(info);
  }

  /** Adds the given rows of a block to the answer. */
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

  /** The rows of a run in the time range that can still be among the best. */
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
    if (limit > 0 && to - from > limit && this.#takesAll && !candidate.affected) {
      // Without filters every row is selected, so only the first rows of a stream can be in the answer.
      if (this.#isForward) to = from + limit;
      else from = to - limit;
    }
    return { run, from, to };
  }

  get #takesAll(): boolean {
    const { baseFilters, lineFilters, dropsRows } = this.#plan.pipeline;
    return baseFilters.length === 0 && lineFilters.length === 0 && !dropsRows;
  }

  /** Filters the selected rows by their lines, runs the stages, and collects the rows that pass. */
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
   * Collects the rows of a run. `range` counts places in the selection. It goes in the answer's direction, so
   * that it can stop at the limit.
   */
  #collectRun({ info, sourceIndex }: Candidate, range: RowRange): void {
    const { limit } = this.#request;
    const stream = info.runs.stream[range.run];
    const row = this.#row;
    let matchCount = 0;
    for (let i = 0; i < range.to - range.from; i++) {
      const at = this.#selection.rows[this.#isForward ? range.from + i : range.to - 1 - i];
      if (i % rowsPerCheck === 0) this.checkCancelled();
      const passes = this.#runner.run(row, stream, at);
      this.stats.metadataBytes += row.base.metadataBytes;
      if (!passes) continue;
      this.rows.add(row, { sourceIndex, blockIndex: info.index, row: at });
      this.stats.linesMatched++;
      if (limit > 0 && ++matchCount >= limit) return;
    }
  }
}

export const wholeNeed: BlockNeed = {
  mask: columns.timestamps | columns.lineLengths | columns.lines | columns.metadata,
};

/** The columns for time and filters on labels. */
function labelsNeed(pipeline: Pipeline, info: BlockInfo): BlockNeed {
  const names = filterNames(pipeline, info);
  return { mask: columns.timestamps | (names.length > 0 ? columns.metadata : 0), names };
}
