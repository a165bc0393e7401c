import type { LeafStats } from '@loki/ports';
import type { Block, BlockInfo } from '@loki/segment';
import type { BaseResolver } from '../pipeline/base-resolver.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { RowSelection } from '../pipeline/row-selection.ts';
import type { Candidate } from './block-candidates.ts';

/** Metadata keys that the base filters of a pipeline read in a block. */
export function filterNames(
  pipeline: Pipeline,
  block: { readonly metadataNames: readonly string[] },
): string[] {
  const names = new Set<string>();
  for (const filter of pipeline.baseFilters) {
    for (const name of filter.names) if (block.metadataNames.includes(name)) names.add(name);
  }
  return [...names];
}

/** Rows `from` .. `to` of `run` join the selection, but for those that a filter on labels drops. */
export function selectRowsOfRun(
  selection: RowSelection,
  candidate: Candidate,
  block: Block,
  resolver: BaseResolver,
  pipeline: Pipeline,
  run: number,
  from: number,
  to: number,
): void {
  if (pipeline.baseFilters.length === 0) {
    selection.addRange(from, to);
    return;
  }
  const stream = resolver.stream(candidate.reader.section, candidate.info.runs.stream[run]);
  const tests: ((row: number) => boolean)[] = [];
  for (const filter of pipeline.baseFilters) {
    const answer = filter.answer(block, stream);
    if (answer === false) return;
    if (answer !== true) tests.push(answer);
  }
  if (tests.length === 0) {
    selection.addRange(from, to);
    return;
  }
  for (let row = from; row < to; row++) {
    let isKept = true;
    for (let i = 0; i < tests.length && isKept; i++) isKept = tests[i](row);
    if (isKept) selection.add(row);
  }
}

/** Line bytes that `rows` rows of a run have, where lengths are not read: by their share of the run's. */
export function bytesOfRows({ runs }: BlockInfo, run: number, rows: number): number {
  const all = runs.firstRow[run + 1] - runs.firstRow[run];
  return rows === all ? runs.lineBytes[run] : Math.round((runs.lineBytes[run] * rows) / all);
}

/**
 * Notes which share of the rows that a block added to `before` came from memory.
 */
export function countHeadShare(
  stats: LeafStats,
  { reader }: Candidate,
  before: Pick<LeafStats, 'linesMatched' | 'metadataBytes'>,
): void {
  if (!reader.isHead) return;
  stats.headLinesMatched += stats.linesMatched - before.linesMatched;
  stats.headMetadataBytes += stats.metadataBytes - before.metadataBytes;
}

/**
 * Adds rows to what the query cost: their lines are read, or not needed for an answer that stands for them.
 */
export function countLines(stats: LeafStats, candidate: Candidate, rows: number, lineBytes: number): void {
  stats.linesProcessed += rows;
  stats.lineBytes += lineBytes;
  if (candidate.reader.isHead) {
    stats.headLines += rows;
    stats.headLineBytes += lineBytes;
  }
}
