/** Leaves out deleted and expired rows: step *delete, expire* of a stored day, in every leaf. */
import type { StringMatcher } from '@loki/logql';
import type { LeafDelete } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block, Section } from '@loki/segment';
import type { LogPlan } from '../pipeline/compile-leaf.ts';
import { NeededLabels } from '../pipeline/needed-labels.ts';
import { RowSelection } from '../pipeline/row-selection.ts';
import { Row } from '../pipeline/row.ts';
import { firstRowAtOrAfter } from './block-candidates.ts';
import type { Candidate, AffectedRuns } from './block-candidates.ts';
import type { LeafCache } from './leaf-cache.ts';
import { selectRowsOfRun } from './row-filter.ts';
import { RowRunner } from './row-runner.ts';
import type { BlockNeed } from './section-reader.ts';
import { matchStreams } from './streams.ts';

/** One delete, compiled. Times are inclusive. */
interface DeletePlan {
  readonly plan: LogPlan;
  readonly runner: RowRunner;
  readonly exceptions: readonly (readonly StringMatcher[])[];
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** The delete affects every row of its streams in its time. */
  readonly takesAll: boolean;
  readonly need: BlockNeed;
}

const timesNeed: BlockNeed = { mask: columns.timestamps };
const labelsNeed: BlockNeed = { mask: columns.timestamps | columns.metadata };
const wholeNeed: BlockNeed = {
  mask: columns.timestamps | columns.metadata | columns.lineLengths | columns.lines,
};

/**
 * The rows that a leaf must leave out. Completely deleted runs are left out by the index alone. In partly
 * deleted runs the rows are found block by block, like rows of a query.
 */
export class Deletes {
  readonly #plans: readonly DeletePlan[];
  readonly #masks = new WeakMap<Section, (Uint8Array | undefined)[]>();
  readonly #selection = new RowSelection();
  readonly #row = new Row();

  /** undefined when there is nothing to leave out. */
  static of(deletes: readonly LeafDelete[] | undefined, cache: LeafCache): Deletes | undefined {
    return deletes && deletes.length > 0 ? new Deletes(deletes, cache) : undefined;
  }

  private constructor(deletes: readonly LeafDelete[], cache: LeafCache) {
    this.#plans = deletes.map((each) => compileDelete(each, cache));
  }

  /**
   * The blocks without completely deleted runs; `affected` lists runs of which deletes may affect some rows.
   */
  apply(candidates: readonly Candidate[]): Candidate[] {
    return candidates.flatMap((candidate) => {
      const remaining = this.#strike(candidate);
      return remaining ? [remaining] : [];
    });
  }

  #strike(candidate: Candidate): Candidate | undefined {
    const { info, reader } = candidate;
    const { runs } = info;
    const affected: AffectedRuns[] = [];
    const deletedRuns = new Set<number>();
    this.#plans.forEach(({ fromNs, toNs, takesAll }, deleteIndex) => {
      if (toNs < candidate.minNs || fromNs > candidate.maxNs) return;
      const mask = this.#mask(reader.section, deleteIndex);
      const fromTs = Number(fromNs - info.baseNs);
      const toTs = Number(toNs - info.baseNs);
      const partialRuns: number[] = [];
      for (const run of candidate.runs) {
        if (mask[runs.stream[run]] === 0 || runs.maxTs[run] < fromTs || runs.minTs[run] > toTs) continue;
        if (takesAll && runs.minTs[run] >= fromTs && runs.maxTs[run] <= toTs) deletedRuns.add(run);
        else partialRuns.push(run);
      }
      if (partialRuns.length > 0) affected.push({ deleteIndex, runs: partialRuns, fromTs, toTs });
    });
    if (deletedRuns.size === 0) return affected.length === 0 ? candidate : { ...candidate, affected };
    if (deletedRuns.size === candidate.runs.length) return undefined;
    const affectedLeft = affected.flatMap((each) => {
      const remainingRuns = each.runs.filter((run) => !deletedRuns.has(run));
      return remainingRuns.length === 0 ? [] : [{ ...each, runs: remainingRuns }];
    });
    const remaining = { ...candidate, runs: candidate.runs.filter((run) => !deletedRuns.has(run)) };
    return affectedLeft.length === 0 ? remaining : { ...remaining, affected: affectedLeft };
  }

  /**
   * The deleted rows of a block with `affected` runs, ascending. It reads the columns that the deletes test.
   */
  async rowsOf(candidate: Candidate): Promise<Uint32Array> {
    const { info, reader } = candidate;
    const isDeleted = new Uint8Array(info.rowCount);
    for (const affected of candidate.affected ?? []) {
      const plan = this.#plans[affected.deleteIndex];
      const block = await reader.load(info, plan.need);
      // No await may follow: all blocks of the leaf share selection and row.
      this.#mark(candidate, block, affected, isDeleted);
    }
    let count = 0;
    for (const flag of isDeleted) count += flag;
    const rows = new Uint32Array(count);
    for (let row = 0, at = 0; at < count; row++) if (isDeleted[row] !== 0) rows[at++] = row;
    return rows;
  }

  #mark(candidate: Candidate, block: Block, affected: AffectedRuns, isDeleted: Uint8Array): void {
    const { info, reader } = candidate;
    const { plan, runner, takesAll, toNs } = this.#plans[affected.deleteIndex];
    const { pipeline } = plan;
    const { firstRow, stream } = info.runs;
    const timestamps = block.timestamps();
    const selection = this.#selection;
    for (const run of affected.runs) {
      const from = firstRowAtOrAfter(timestamps, firstRow[run], firstRow[run + 1], affected.fromTs);
      const to = firstRowAtOrAfter(timestamps, from, firstRow[run + 1], affected.toTs + 1);
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

  /** Streams of the section that a delete affects, as a mask. */
  #mask(section: Section, deleteIndex: number): Uint8Array {
    let masks = this.#masks.get(section);
    if (!masks) this.#masks.set(section, (masks = []));
    let mask = masks[deleteIndex];
    if (mask) return mask;
    const { plan, exceptions } = this.#plans[deleteIndex];
    mask = matchStreams(section, plan.selector, undefined);
    for (const selector of exceptions) {
      const isExcepted = matchStreams(section, selector, undefined);
      for (let i = 0; i < mask.length; i++) mask[i] &= isExcepted[i] ^ 1;
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
    exceptions: (except ?? []).map((text) => cache.selection(text).selector),
    fromNs: startNs,
    toNs: endNs - 1n,
    takesAll,
    need: takesAll ? timesNeed : readsLines ? wholeNeed : labelsNeed,
  };
}
