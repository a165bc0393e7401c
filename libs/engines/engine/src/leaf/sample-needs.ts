/** The columns that a sample scan reads of a block, if it has to read the block at all. */
import { columns } from '@loki/segment';
import type { BlockInfo } from '@loki/segment';
import type { StepGrid } from '../common/step-grid.ts';
import type { BaseResolver } from '../pipeline/base-resolver.ts';
import type { SamplePlan } from '../pipeline/compile-leaf.ts';
import type { Candidate } from './block-candidates.ts';
import { filterNames } from './row-filter.ts';
import type { BlockNeed } from './section-reader.ts';

/** Decides by a block's index which of its columns a range aggregation needs. */
export class SampleNeeds {
  readonly #plan: SamplePlan;
  readonly #resolver: BaseResolver;
  readonly #grid: StepGrid;
  readonly #readsLines: boolean;
  /** The samples are line lengths. */
  readonly countsBytes: boolean;
  /** Rows need not be visited one by one: all count, with their stored labels. */
  readonly takesAll: boolean;

  constructor(plan: SamplePlan, resolver: BaseResolver, grid: StepGrid) {
    this.#plan = plan;
    this.#resolver = resolver;
    this.#grid = grid;
    this.countsBytes = plan.op === 'bytes_over_time' || plan.op === 'bytes_rate';
    const { baseFilters, lineFilters, stages, readsLines } = plan.pipeline;
    this.#readsLines = readsLines;
    this.takesAll =
      baseFilters.length === 0 &&
      lineFilters.length === 0 &&
      stages.length === 0 &&
      plan.unwrap === undefined;
  }

  #metadataNames(info: BlockInfo): string[] {
    const names = new Set(filterNames(this.#plan.pipeline, info));
    for (const name of this.#resolver.metadataNames(info.metadataNames)) names.add(name);
    return [...names];
  }

  /**
   * The columns that are read first. They include lines, unless a filter on labels may make lines
   * unnecessary.
   */
  first(info: BlockInfo): BlockNeed {
    const names = this.#plan.needed.isAll ? undefined : this.#metadataNames(info);
    let mask = columns.timestamps;
    if (names === undefined ? info.metadataNames.length > 0 : names.length > 0) mask |= columns.metadata;
    if (this.countsBytes) mask |= columns.lineLengths;
    if (this.#readsLines && this.#plan.pipeline.baseFilters.length === 0) {
      mask |= columns.lineLengths | columns.lines;
    }
    return { mask, names };
  }

  /** Whether each selected run lies inside one bucket (or none), and its series follows from the stream. */
  isAnsweredByIndex({ info, runs, reader, affected, fromTs, toTs }: Candidate): boolean {
    if (affected || !this.takesAll || this.#resolver.metadataNames(info.metadataNames).length > 0) {
      return false;
    }
    this.#grid.startBlock(info.baseNs);
    for (const run of runs) {
      if (reader.clip && (info.runs.minTs[run] < fromTs || info.runs.maxTs[run] > toTs)) return false;
      const bucket = this.#grid.bucketOf(info.runs.minTs[run]);
      if (
        this.#grid.bucketEnd < info.runs.maxTs[run] ||
        bucket !== this.#grid.bucketOf(info.runs.maxTs[run])
      ) {
        return false;
      }
    }
    return true;
  }
}
