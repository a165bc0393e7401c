import type { StringMatcher } from '@loki/logql';
import type { LeafDelete } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block, Section } from '@loki/segment';
import type { LogPlan } from '../pipeline/compile-leaf.ts';
import { NeededLabels } from '../pipeline/needed-labels.ts';
import { RowSelection } from '../pipeline/row-selection.ts';
import { Row } from '../pipeline/row.ts';
import { firstRowAtOrAfter } from './block-candidates.ts';
import type { Candidate, TouchedRuns } from './block-candidates.ts';
import type { LeafCache } from './leaf-cache.ts';
import { selectRowsOfRun } from './row-filter.ts';
import { RowRunner } from './row-runner.ts';
import type { BlockNeed } from './section-reader.ts';
import { matchStreams } from './streams.ts';

/** One delete, compiled. Times are inclusive. */
interface DeletePlan {
  readonly plan: LogPlan;
  readonly runner: RowRunner;
  readonly spared: readonly (readonly StringMatcher[])[];
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** It takes every row of its streams in its time. */
  readonly takesAll: boolean;
  readonly need: BlockNeed;
}

const timesNeed: BlockNeed = { mask: columns.timestamps };
const labelsNeed: BlockNeed = { mask: columns.timestamps | columns.metadata };
const wholeNeed: BlockNeed = {
  mask: columns.timestamps | columns.metadata | columns.lineLengths | columns.lines,
};

/**
 * The rows that a leaf must leave out. Runs which a delete takes whole are struck from the index alone;
 * of others the rows are found block by block, as a query finds its own.
 */
export class Deletes {
  readonly #plans: readonly DeletePlan[];
  readonly #masks = new WeakMap<Section, (Uint8Array | undefined)[]>();
  readonly #selection = new RowSelection();
  readonly #row = new Row();

  /** Undefined when there is nothing to leave out. */
  static of(deletes: readonly LeafDelete[] | undefined, cache: LeafCache): Deletes | undefined {
    return deletes && deletes.length > 0 ? new Deletes(deletes, cache) : undefined;
  }

  private constructor(deletes: readonly LeafDelete[], cache: LeafCache) {
    this.#plans = deletes.map((each) => compileDelete(each, cache));
  }

  /**
   * The same blocks without runs that are deleted whole; what else deletes may concern stands in `touched`.
   */
  apply(candidates: readonly Candidate[]): Candidate[] {
    return candidates.flatMap((candidate) => {
      const kept = this.#strike(candidate);
      return kept ? [kept] : [];
    });
  }

  #strike(candidate: Candidate): Candidate | undefined {
    const { info, reader } = candidate;
    const { runs } = info;
    const touched: TouchedRuns[] = [];
    const gone = new Set<number>();
    this.#plans.forEach(({ fromNs, toNs, takesAll }, deleteIndex) => {
      if (toNs < candidate.minNs || fromNs > candidate.maxNs) return;
      const mask = this.#mask(reader.section, deleteIndex);
      const fromTs = Number(fromNs - info.baseNs);
      const toTs = Number(toNs - info.baseNs);
      const partly: number[] = [];
      for (const run of candidate.runs) {
        if (mask[runs.stream[run]] === 0 || runs.maxTs[run] < fromTs || runs.minTs[run] > toTs) continue;
        if (takesAll && runs.minTs[run] >= fromTs && runs.maxTs[run] <= toTs) gone.add(run);
        else partly.push(run);
      }
      if (partly.length > 0) touched.push({ deleteIndex, runs: partly, fromTs, toTs });
    });
    if (gone.size === 0) return touched.length === 0 ? candidate : { ...candidate, touched };
    if (gone.size === candidate.runs.length) return undefined;
    const left = touched.flatMap((each) => {
      const runsLeft = each.runs.filter((run) => !gone.has(run));
      return runsLeft.length === 0 ? [] : [{ ...each, runs: runsLeft }];
    });
    const kept = { ...candidate, runs: candidate.runs.filter((run) => !gone.has(run)) };
    return left.length === 0 ? kept : { ...kept, touched: left };
  }

  /** Rows of a touched block that are deleted, ascending. Costs the columns that the deletes look at. */
  async rowsOf(candidate: Candidate): Promise<Uint32Array> {
    const { info, reader } = candidate;
    const isDeleted = new Uint8Array(info.rowCount);
    for (const touched of candidate.touched ?? []) {
      const plan = this.#plans[touched.deleteIndex];
      const block = await reader.load(info, plan.need);
      // Nothing is awaited from here on: selection and row are shared by all blocks of the leaf.
      this.#mark(candidate, block, touched, isDeleted);
    }
    let count = 0;
    for (const flag of isDeleted) count += flag;
    const rows = new Uint32Array(count);
    for (let row = 0, at = 0; at < count; row++) if (isDeleted[row] !== 0) rows[at++] = row;
    return rows;
  }

  #mark(candidate: Candidate, block: Block, touched: TouchedRuns, isDeleted: Uint8Array): void {
    const { info, reader } = candidate;
    const { plan, runner, takesAll, toNs } = this.#plans[touched.deleteIndex];
    const { pipeline } = plan;
    const { firstRow, stream } = info.runs;
    const timestamps = block.timestamps();
    const selection = this.#selection;
    for (const run of touched.runs) {
      const from = firstRowAtOrAfter(timestamps, firstRow[run], firstRow[run + 1], touched.fromTs);
      const to = firstRowAtOrAfter(timestamps, from, firstRow[run + 1], touched.toTs + 1);
      if (takesAll) {
        isDeleted.fill(1, from, to);
        continue;
      }
      selection.clear(info.rowCount);
      runner.startRows(reader.section, block, pipeline.readsLines);
      selectRowsOfRun(selection, candidate, block, runner.resolver, pipeline, run, from, to);
      if (selection.count > 0 && pipeline.lineFilters.length > 0) {
        const lines = block.lines();
        const ends = block.lineEnds();
        for (const filter of pipeline.lineFilters) filter.select(selection, lines, ends);
      }
      this.#row.nowNs = toNs;
      for (let i = 0; i < selection.count; i++) {
        const at = selection.rows[i];
        if (runner.run(this.#row, stream[run], at)) isDeleted[at] = 1;
      }
    }
  }

  /** Streams of the section that a delete concerns. */
  #mask(section: Section, deleteIndex: number): Uint8Array {
    let masks = this.#masks.get(section);
    if (!masks) this.#masks.set(section, (masks = []));
    let mask = masks[deleteIndex];
    if (mask) return mask;
    const { plan, spared } = this.#plans[deleteIndex];
    mask = matchStreams(section, plan.selector, undefined);
    for (const selector of spared) {
      const isSpared = matchStreams(section, selector, undefined);
      for (let i = 0; i < mask.length; i++) mask[i] &= isSpared[i] ^ 1;
    }
    masks[deleteIndex] = mask;
    return mask;
  }
}

function compileDelete({ expr, startNs, endNs, except }: LeafDelete, cache: LeafCache): DeletePlan {
  const plan = cache.selection(expr);
  const { baseFilters, lineFilters, stages, readsLines } = plan.pipeline;
  const takesAll = baseFilters.length === 0 && lineFilters.length === 0 && stages.length === 0;
  return {
    plan,
    runner: new RowRunner(plan.pipeline, NeededLabels.all),
    spared: (except ?? []).map((text) => cache.selection(text).selector),
    fromNs: startNs,
    toNs: endNs - 1n,
    takesAll,
    need: takesAll ? timesNeed : readsLines ? wholeNeed : labelsNeed,
  };
}
