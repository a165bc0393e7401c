/** Series of a range aggregation in one step, for tests. */
import type { RangeAggExpr } from '@loki/logql';
import type { SampleLeafResult } from '@loki/ports';
import type { Grid } from '../common/grid.ts';
import { MemoryBudget } from '../common/memory-budget.ts';
import type { Work } from '../common/sliced-work.ts';
import { finalizeRows } from '../root/finalize.ts';
import type { SeriesRow } from '../root/rows.ts';

/** All rows of a range aggregation, in one piece. */
export function finalizeSeries(
  expr: RangeAggExpr,
  grid: Grid,
  result: SampleLeafResult,
): readonly SeriesRow[] {
  return finish(finalizeRows(expr, grid, result, new MemoryBudget()));
}

/** All of it at once. */
export function finish<T>(work: Work<T>): T {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}
