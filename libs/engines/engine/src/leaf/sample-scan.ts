/** Scans blocks for the samples of a range aggregation: step *fetch, scan* of a query. */
import type { CheckCancelled, LeafStats, SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block } from '@loki/segment';
import { failsFor } from '../common/error-labels.ts';
import { StepGrid } from '../common/step-grid.ts';
import { stepCount } from '../merge/merge-samples.ts';
import type { BaseResolver } from '../pipeline/base-resolver.ts';
import type { SamplePlan } from '../pipeline/compile-leaf.ts';
import { NeededLabels } from '../pipeline/needed-labels.ts';
import { RowSelection } from '../pipeline/row-selection.ts';
import { Row } from '../pipeline/row.ts';
import type { Accumulator } from '../series/accumulator.ts';
import { makeAccumulator } from '../series/accumulators.ts';
import { SeriesTable, rowError } from '../series/series-table.ts';
import { nextRowAtOrAfter } from './block-candidates.ts';
import type { Candidate } from './block-candidates.ts';
import type { Deletes } from './deletes.ts';
import { countCost } from './dry-run.ts';
import { ReadAhead } from './read-ahead.ts';
import { bytesOfRows, countLines, selectRowsOfRun } from './row-filter.ts';
import { RowRunner } from './row-runner.ts';
import { FailedRow, lengthOf, rowsInRange } from './rows-in-range.ts';
import { SampleNeeds } from './sample-needs.ts';
import { rowsPerCheck } from './scan-context.ts';
import type { ScanContext } from './scan-context.ts';

export class SampleScan {
  readonly grid: StepGrid;
  readonly #plan: SamplePlan;
  readonly #stats: LeafStats;
  readonly #runner: RowRunner;
  readonly #resolver: BaseResolver;
  readonly #series: SeriesTable;
  readonly #accumulator: Accumulator;
  readonly #selection = new RowSelection();
  readonly #row = new Row();
  readonly #needs: SampleNeeds;
  readonly #readsLines: boolean;

  readonly #deletes: Deletes | undefined;

  readonly #checkCancelled: CheckCancelled;

  constructor(
    request: SampleLeafRequest,
    plan: SamplePlan,
    { stats, deletes, memory, checkCancelled }: ScanContext,
  ) {
    this.#deletes = deletes;
    this.#plan = plan;
    this.#stats = stats;
    this.#checkCancelled = checkCancelled;
    const { startNs, stepNs } = request;
    const steps = stepCount(request);
    this.grid = new StepGrid({ startNs, stepNs, steps, rangeNs: plan.rangeNs, offsetNs: plan.offsetNs });
    this.#runner = new RowRunner(plan.pipeline, plan.needed);
    this.#resolver = this.#runner.resolver;
    this.#series = new SeriesTable(plan, request.seriesMax, memory);
    this.#accumulator = makeAccumulator(plan.op, plan.unwrap !== undefined, this.grid, memory);
    this.#row.nowNs = request.endNs;
    this.#readsLines = plan.pipeline.readsLines;
    this.#needs = new SampleNeeds(plan, this.#resolver, this.grid);
  }

  readAhead(candidates: readonly Candidate[]): ReadAhead {
    return new ReadAhead(candidates, {
      needOf: ({ info }) => this.#needs.first(info),
      isRead: (candidate) => !this.#needs.isAnsweredByIndex(candidate),
    });
  }

  /** Counts the cost of `visit`. */
  measure(candidate: Candidate): void {
    this.grid.startBlock(candidate.info.baseNs);
    if (this.#needs.isAnsweredByIndex(candidate)) this.#stats.blocksSkipped++;
    else countCost(this.#stats, candidate, this.#readsLines);
  }

  /** Scans one block; returns a promise only when data must be fetched. */
  visit(candidate: Candidate): Promise<void> | undefined {
    this.grid.startBlock(candidate.info.baseNs);
    if (this.#needs.isAnsweredByIndex(candidate)) {
      this.#stats.blocksSkipped++;
      this.#addFromIndex(candidate);
      return undefined;
    }
    this.#stats.blocksMatched++;
    if (candidate.affected) return this.#visitTouched(candidate);
    const block = candidate.reader.load(candidate.info, this.#needs.first(candidate.info));
    if (block instanceof Promise) return block.then((loaded) => this.#visitLoaded(candidate, loaded));
    return this.#visitLoaded(candidate, block);
  }

  async #visitTouched(candidate: Candidate): Promise<void> {
    const deleted = await this.#deletes!.rowsOf(candidate);
    const block = await candidate.reader.load(candidate.info, this.#needs.first(candidate.info));
    await this.#visitLoaded(candidate, block, deleted);
  }

  finish(): SampleLeafResult {
    this.#series.checkFull();
    const series = this.#series.labels.map((labels, index) => {
      if (index % rowsPerCheck === 0) this.#checkCancelled();
      return { labels, ...this.#accumulator.finish(index) };
    });
    return { kind: 'samples', steps: this.grid.steps, series, stats: this.#stats };
  }

  /**
   * The error of a row with all its labels. The scan may have read only the metadata that the query needs, so
   * the rest is loaded here.
   */
  async explain({ reader, info }: Candidate, { stream, at }: FailedRow): Promise<Error> {
    let mask = columns.timestamps | columns.lineLengths | columns.lines;
    if (info.metadataNames.length > 0) mask |= columns.metadata;
    const block = await reader.load(info, { mask });
    const runner = new RowRunner(this.#plan.pipeline, NeededLabels.all);
    runner.startRows(reader.section, block, true);
    runner.run(this.#row, stream, at);
    this.#plan.unwrap?.run(this.#row);
    reader.release(info);
    return rowError(this.#row);
  }

  #addFromIndex(candidate: Candidate): void {
    const { reader, info, runs } = candidate;
    for (const run of runs) {
      const bucket = this.grid.bucketOf(info.runs.minTs[run]);
      if (bucket < 0) continue;
      const rows = info.runs.firstRow[run + 1] - info.runs.firstRow[run];
      const series = this.#series.ofBase(this.#resolver.streamBase(reader.section, info.runs.stream[run]));
      this.#accumulator.addMany(series, bucket, rows, info.runs.lineBytes[run]);
      countLines(this.#stats, candidate, rows, info.runs.lineBytes[run]);
      this.#stats.linesMatched += rows;
    }
  }

  // ---- rows

  #visitLoaded(candidate: Candidate, block: Block, deleted?: Uint32Array): Promise<void> | undefined {
    const { reader, info } = candidate;
    this.grid.startBlock(info.baseNs);
    this.#runner.startBlock(reader.section, block);
    if (this.#needs.takesAll && !deleted) {
      for (const run of candidate.runs) this.#countRun(candidate, block, run);
      reader.release(info);
      return undefined;
    }
    this.#select(candidate, block);
    if (deleted) this.#selection.intersect(deleted, deleted.length, true);
    if (this.#selection.count === 0) {
      this.#stats.blocksSkipped++;
      reader.release(info);
      return undefined;
    }
    if (!this.#readsLines) {
      this.#addRows(candidate, block);
      reader.release(info);
      return undefined;
    }
    // Loads all columns again, not just the lines: the cache may have evicted those that were loaded first.
    const { mask, names } = this.#needs.first(info);
    const fullBlock = reader.load(info, { mask: mask | columns.lineLengths | columns.lines, names });
    if (!(fullBlock instanceof Promise)) {
      this.#addLines(candidate, fullBlock);
      return undefined;
    }
    // The selection belongs to this scan and does not change while it waits.
    return fullBlock.then((loaded) => {
      this.grid.startBlock(info.baseNs);
      this.#addLines(candidate, loaded);
    });
  }

  /** Selects the rows in the windows that pass the filters on labels. */
  #select(candidate: Candidate, block: Block): void {
    const { info } = candidate;
    this.#selection.clear(info.rowCount);
    for (const run of candidate.runs) {
      const { from, to } = rowsInRange(candidate, block, run);
      selectRowsOfRun(this.#selection, candidate, block, this.#resolver, this.#plan.pipeline, run, from, to);
    }
  }

  #addLines(candidate: Candidate, block: Block): void {
    const lines = block.lines();
    const ends = block.lineEnds();
    const selection = this.#selection;
    countLines(this.#stats, candidate, selection.count, selection.lineBytes(ends));
    for (const filter of this.#plan.pipeline.lineFilters) filter.select(selection, lines, ends);
    const { section } = candidate.reader;
    for (const filter of this.#plan.impliedFilters) filter.select(selection, section, block);
    this.#addRows(candidate, block);
    candidate.reader.release(candidate.info);
  }

  /** Counts all rows of a run, bucket by bucket if the stream alone determines the series. */
  #countRun(candidate: Candidate, block: Block, run: number): void {
    const { info, reader } = candidate;
    const timestamps = block.timestamps();
    const ends = this.#needs.countsBytes ? block.lineEnds() : undefined;
    const { from, to } = rowsInRange(candidate, block, run);
    const stream = info.runs.stream[run];
    const isStreamEnough = this.#resolver.metadataNames(info.metadataNames).length === 0;
    const streamBase = isStreamEnough ? this.#resolver.streamBase(reader.section, stream) : undefined;
    const { grid } = this;
    let row = from;
    while (row < to) {
      const bucket = grid.bucketOf(timestamps[row]);
      const end = nextRowAtOrAfter(timestamps, row, to, grid.bucketEnd + 1);
      if (bucket < 0) row = end;
      else if (streamBase) {
        const series = this.#series.ofBase(streamBase);
        this.#accumulator.addMany(series, bucket, end - row, ends ? lengthOf(ends, row, end) : 0);
        row = end;
      } else {
        for (; row < end; row++) {
          const base = this.#resolver.base(stream, row);
          this.#stats.metadataBytes += base.metadataBytes;
          this.#accumulator.addMany(
            this.#series.ofBase(base),
            bucket,
            1,
            ends ? lengthOf(ends, row, row + 1) : 0,
          );
        }
      }
    }
    countLines(this.#stats, candidate, to - from, bytesOfRows(info, run, to - from));
    this.#stats.linesMatched += to - from;
  }

  #addRows(candidate: Candidate, block: Block): void {
    const { runs } = candidate.info;
    this.#runner.startRows(candidate.reader.section, block, this.#readsLines);
    const selection = this.#selection;
    let from = 0;
    for (const run of candidate.runs) {
      let to = from;
      while (to < selection.count && selection.rows[to] < runs.firstRow[run + 1]) to++;
      if (!this.#readsLines) {
        countLines(this.#stats, candidate, to - from, bytesOfRows(candidate.info, run, to - from));
      }
      if (to > from) this.#addRunRows(block, runs.stream[run], from, to);
      from = to;
    }
  }

  /** Adds the rows of a run; `from` and `to` are places in the selection. */
  #addRunRows(block: Block, stream: number, from: number, to: number): void {
    const { grid } = this;
    const { stages } = this.#plan.pipeline;
    const { unwrap, countedErrors } = this.#plan;
    const timestamps = block.timestamps();
    const ends = this.#needs.countsBytes ? block.lineEnds() : undefined;
    const isPlain = stages.length === 0 && !unwrap;
    const row = this.#row;
    for (let i = from; i < to; i++) {
      const at = this.#selection.rows[i];
      const ts = timestamps[at];
      const bucket = grid.bucketOf(ts);
      if (bucket < 0) continue;
      if (isPlain) {
        const base = this.#resolver.base(stream, at);
        this.#stats.metadataBytes += base.metadataBytes;
        const length = ends ? lengthOf(ends, at, at + 1) : 0;
        this.#accumulator.addMany(this.#series.ofBase(base), bucket, 1, length);
        this.#stats.linesMatched++;
        continue;
      }
      if (i % rowsPerCheck === 0) this.#checkCancelled();
      const passes = this.#runner.run(row, stream, at);
      this.#stats.metadataBytes += row.base.metadataBytes;
      if (!passes || (unwrap && !unwrap.run(row))) continue;
      this.#stats.linesMatched++;
      if (failsFor(row.error, countedErrors)) throw new FailedRow(stream, at);
      const series = this.#series.ofRow(row);
      let value = 1;
      if (unwrap) ({ value } = unwrap);
      else if (ends) value = this.#readsLines ? row.end - row.start : lengthOf(ends, at, at + 1);
      const rank = this.#accumulator.usesRanks ? row.base.stream.rank : 0;
      this.#accumulator.add(series, bucket, grid.relative(ts), value, rank);
    }
  }
}
