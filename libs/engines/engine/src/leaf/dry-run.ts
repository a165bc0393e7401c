import type { LeafStats } from '@loki/ports';
import type { Candidate } from './block-candidates.ts';
import type { SectionReader } from './section-reader.ts';

/**
 * Counts the blocks that the index alone ruled out: by time, or because none of the selected streams is
 * in them.
 */
export function countRuledOut(
  stats: LeafStats,
  readers: readonly (SectionReader | undefined)[],
  found: readonly Candidate[],
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
  stats.blocksOfOtherStreams += inTime - found.length;
}

/**
 * Counts the cost of reading a block: its rows and lines as far as selected runs hold them, its bytes as a
 * whole.
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
