import { emptyLeafStats, type LeafStats, type LogLeafRequest, type LogLeafResult } from '@loki/ports';
import { type Block, columns } from '@loki/segment';
import { BaseResolver } from './base-resolver.ts';
import { type Candidate, findCandidates, firstRowAtOrAfter } from './block-candidates.ts';
import type { LogPlan } from './leaf-plan.ts';
import { LogRows } from './log-rows.ts';
import { NeededLabels } from './needed-labels.ts';
import { countLines, filterNames, selectRun } from './row-filter.ts';
import { RowSelection } from './row-selection.ts';
import { Row } from './row.ts';
import type { BlockNeed, SectionReader } from './section-reader.ts';

/** Blocks fetched ahead at most, and at first: a query whose limit is soon filled should not read what it will not need. */
const aheadMax = 8;

/** Rows from..to of one run. */
interface RowRange {
  readonly run: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Runs a log selection over sections, best blocks first, and stops when no block that is left can hold a better row.
 *
 * @param readers one per source, oldest first; undefined where a source has nothing of the tenant
 */
export async function runLogLeaf(
  request: LogLeafRequest,
  plan: LogPlan,
  readers: readonly (SectionReader | undefined)[],
  stats: LeafStats = emptyLeafStats(),
): Promise<LogLeafResult> {
  const isForward = request.direction === 'forward';
  const candidates = readers.flatMap((reader, sourceIndex) =>
    reader
      ? findCandidates(reader, sourceIndex, {
          selector: plan.selector,
          shard: request.shard,
          fromNs: request.startNs,
          toNs: request.endNs - 1n,
        })
      : [],
  );
  candidates.sort((a, b) => (isForward ? compareBig(a.minNs, b.minNs) : compareBig(b.maxNs, a.maxNs)));
  const scan = new LogScan(request, plan, stats);
  let ahead = 1;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i];
    const { bound } = scan.rows;
    if (bound !== undefined && (isForward ? candidate.minNs > bound : candidate.maxNs < bound)) {
      stats.blocksSkipped += candidates.length - i;
      break;
    }
    if (i + 1 < candidates.length) scan.prefetch(candidates.slice(i + 1, i + 1 + ahead));
    ahead = Math.min(ahead * 2, aheadMax);
    await scan.visit(candidate);
  }
  return scan.rows.finish(stats);
}

function compareBig(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

class LogScan {
  readonly rows: LogRows;
  readonly #request: LogLeafRequest;
  readonly #plan: LogPlan;
  readonly #stats: LeafStats;
  readonly #isForward: boolean;
  readonly #resolver = new BaseResolver(NeededLabels.all);
  readonly #selection = new RowSelection();
  readonly #row = new Row();

  constructor(request: LogLeafRequest, plan: LogPlan, stats: LeafStats) {
    this.#request = request;
    this.#plan = plan;
    this.#stats = stats;
    this.#isForward = request.direction === 'forward';
    this.rows = new LogRows(request.limit, request.direction);
    this.#row.nowNs = request.endNs;
  }

  prefetch(candidates: readonly Candidate[]): void {
    for (const candidate of candidates) {
      candidate.reader.prefetch([candidate.info], this.#firstNeed(candidate));
    }
  }

  async visit(candidate: Candidate): Promise<void> {
    const { reader, info } = candidate;
    const { pipeline } = this.#plan;
    const first = reader.load(info, this.#firstNeed(candidate));
    let block = first instanceof Promise ? await first : first;
    this.#stats.blocksMatched++;
    this.#selectByLabels(candidate, block);
    if (this.#selection.count > 0) {
      const rest = reader.load(info, wholeNeed);
      block = rest instanceof Promise ? await rest : rest;
      const lines = block.lines();
      const ends = block.lineEnds();
      countLines(this.#stats, candidate, this.#selection.count, this.#selection.lineBytes(ends));
      for (const filter of pipeline.lineFilters) filter.select(this.#selection, lines, ends);
      this.#collect(candidate, block);
    } else this.#stats.blocksSkipped++;
    reader.release(info);
  }

  /** Filters on metadata come first: when they leave nothing, lines are not even fetched. */
  #firstNeed({ info }: Candidate): BlockNeed {
    const { pipeline } = this.#plan;
    if (pipeline.baseFilters.length === 0) return wholeNeed;
    const names = filterNames(pipeline, info);
    const metadata = names.length > 0 ? columns.metadata : 0;
    return { mask: columns.timestamps | metadata, names };
  }

  #selectByLabels(candidate: Candidate, block: Block): void {
    const { info } = candidate;
    const selection = this.#selection;
    selection.clear(info.rowCount);
    this.#resolver.startBlock(candidate.reader.section, block);
    for (const run of candidate.runs) {
      const { from, to } = this.#rangeOf(candidate, block, run);
      if (from < to) {
        selectRun(selection, candidate, block, this.#resolver, this.#plan.pipeline, run, from, to);
      }
    }
  }

  /** Rows of a run inside the time range that can still be among the best. */
  #rangeOf(candidate: Candidate, block: Block, run: number): RowRange {
    const { info } = candidate;
    const { runs } = info;
    let { fromTs, toTs } = candidate;
    const { bound } = this.rows;
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
    if (limit > 0 && to - from > limit && this.#takesAll) {
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

  #collect(candidate: Candidate, block: Block): void {
    const selection = this.#selection;
    const { firstRow } = candidate.info.runs;
    let from = 0;
    for (const run of candidate.runs) {
      let to = from;
      while (to < selection.count && selection.rows[to] < firstRow[run + 1]) to++;
      if (to > from) this.#collectRun(candidate, block, { run, from, to });
      from = to;
    }
    this.rows.prune();
  }

  /** `range` counts places in the selection. In the answer's direction, so that a run stops giving rows at the limit. */
  #collectRun(candidate: Candidate, block: Block, range: RowRange): void {
    const { info, sourceIndex } = candidate;
    const { stages } = this.#plan.pipeline;
    const { limit } = this.#request;
    const stream = info.runs.stream[range.run];
    const timestamps = block.timestamps();
    const lines = block.lines();
    const ends = block.lineEnds();
    const row = this.#row;
    let found = 0;
    for (let i = 0; i < range.to - range.from; i++) {
      const at = this.#selection.rows[this.#isForward ? range.from + i : range.to - 1 - i];
      row.reset(this.#resolver.base(stream, at), info.baseNs, timestamps[at]);
      row.setLine(lines, at === 0 ? 0 : ends[at - 1], ends[at]);
      let isKept = true;
      for (let k = 0; k < stages.length && isKept; k++) isKept = stages[k].run(row);
      if (!isKept) continue;
      this.rows.add(row, { sourceIndex, blockIndex: info.index, row: at });
      this.#stats.linesMatched++;
      if (limit > 0 && ++found >= limit) return;
    }
  }
}

const wholeNeed: BlockNeed = {
  mask: columns.timestamps | columns.lineLengths | columns.lines | columns.metadata,
};
