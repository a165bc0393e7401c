/** Rows of a run within a query's windows, and a row that fails a query: step *scan* of a query. */
import type { Block } from '@loki/segment';
import { firstRowAtOrAfter } from './block-candidates.ts';
import type { Candidate } from './block-candidates.ts';

/** Ends a scan at a row with an error that the query does not filter. */
export class FailedRow extends Error {
  readonly stream: number;
  readonly at: number;

  constructor(stream: number, at: number) {
    super();
    this.stream = stream;
    this.at = at;
  }
}

/** The rows of a run within the bounds of all windows. */
export function rowsInRange(
  { info, fromTs, toTs }: Candidate,
  block: Block,
  run: number,
): { from: number; to: number } {
  const { runs } = info;
  let from = runs.firstRow[run];
  let to = runs.firstRow[run + 1];
  if (runs.minTs[run] < fromTs) from = firstRowAtOrAfter(block.timestamps(), from, to, fromTs);
  if (runs.maxTs[run] > toTs) to = firstRowAtOrAfter(block.timestamps(), from, to, toTs + 1);
  return { from, to };
}

export function lengthOf(ends: Uint32Array, from: number, to: number): number {
  return ends[to - 1] - (from === 0 ? 0 : ends[from - 1]);
}
