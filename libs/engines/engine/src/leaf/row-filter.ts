/** Selects rows by time and labels, and counts the rows and bytes that a scan has read. */
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

/** Adds the rows [from, to) of `run` that pass the filters on labels to the selection. */
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

/**
 * Estimated line bytes of `rows` rows of a run: their share of the run's bytes. For scans that do not read
 * lengths.
 */
export function bytesOfRows({ runs }: BlockInfo, run: number, rows: number): number {
  const all = runs.firstRow[run + 1] - runs.firstRow[run];
  return rows === all ? runs.lineBytes[run] : Math.round((runs.lineBytes[run] * rows) / all);
}

/** Counts the rows that a block has added since `earlier` as rows from memory, if it is in a head. */
export function countHeadShare(
  stats: LeafStats,
  { reader }: Candidate,
  earlier: Pick<LeafStats, 'linesMatched' | 'metadataBytes'>,
): void {
  if (!reader.isHead) return;
  stats.headLinesMatched += stats.linesMatched - earlier.linesMatched;
  stats.headMetadataBytes += stats.metadataBytes - earlier.metadataBytes;
}

/** Adds rows to the query's cost, whether their lines are read or the index answers for them. */
export function countLines(stats: LeafStats, candidate: Candidate, rows: number, lineBytes: number): void {
  stats.linesProcessed += rows;
  stats.lineBytes += lineBytes;
  if (candidate.reader.isHead) {
    stats.headLines += rows;
    stats.headLineBytes += lineBytes;
  }
}
