/** Estimates of a leaf's cost, without reading blocks: `explain` and dry runs. */
import type { LeafStats } from '@loki/ports';
import type { Candidate } from './block-candidates.ts';
import type { SectionReader } from './section-reader.ts';

/** Counts the blocks that the index alone rules out: by time, or because they have no selected stream. */
export function countRuledOut(
  stats: LeafStats,
  readers: readonly (SectionReader | undefined)[],
  matches: readonly Candidate[],
  bounds: { readonly fromNs: bigint; readonly toNs: bigint },
): void {
  let inTime = 0;
  for (const reader of readers) {
    if (!reader) continue;
    const { section, clip } = reader;
    const fromNs = clip && clip.startNs > bounds.fromNs ? clip.startNs : bounds.fromNs;
    const toNs = clip && clip.endNs <= bounds.toNs ? clip.endNs - 1n : bounds.toNs;
    for (const { baseNs, minTs, maxTs } of section.blocks) {
      if (maxTs < Number(fromNs - baseNs) || minTs > Number(toNs - baseNs)) stats.blocksOutOfTime++;
      else inTime++;
    }
  }
  stats.blocksOfOtherStreams += inTime - matches.length;
}

/**
 * Counts the cost of reading a block: rows and lines of the selected runs, and the stored bytes of the whole
 * block.
 */
export function countCost(stats: LeafStats, { reader, info, runs }: Candidate, readsLines: boolean): void {
  let rows = 0;
  let lineBytes = 0;
  for (const run of runs) {
    rows += info.runs.firstRow[run + 1] - info.runs.firstRow[run];
    lineBytes += info.runs.lineBytes[run];
  }
  stats.blocksMatched++;
  stats.linesProcessed += rows;
  if (readsLines) stats.lineBytes += lineBytes;
  if (!reader.isHead) {
    stats.compressedBytes += info.storedBytes;
    return;
  }
  stats.headLines += rows;
  if (readsLines) stats.headLineBytes += lineBytes;
}
