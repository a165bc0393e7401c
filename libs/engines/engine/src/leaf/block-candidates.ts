/** Finds the blocks that a leaf must read, by the index alone: step *fetch, scan* of a query. */
import type { StringMatcher } from '@loki/logql';
import type { StreamShard } from '@loki/ports';
import type { BlockInfo, Runs } from '@loki/segment';
import type { SectionReader } from './section-reader.ts';
import { matchStreams } from './streams.ts';

/** A block with runs of selected streams in the time range. */
export interface Candidate {
  readonly reader: SectionReader;
  /** Index of the source among the leaf's sources, which is the order of arrival. */
  readonly sourceIndex: number;
  readonly info: BlockInfo;
  /** Indexes of the selected runs. */
  readonly runs: Uint32Array;
  /** Time bounds of these runs, Unix ns, inclusive. */
  readonly minNs: bigint;
  readonly maxNs: bigint;
  /** The leaf's time range, relative to the block's base, inclusive; it may exceed the block's times. */
  readonly fromTs: number;
  readonly toTs: number;
  /** Runs with rows that deletes may affect: their rows must be tested one by one. */
  readonly affected?: readonly AffectedRuns[];
}

/** Runs of a block with rows that a delete may affect. */
export interface AffectedRuns {
  /** Index of the delete in the leaf. */
  readonly deleteIndex: number;
  readonly runs: readonly number[];
  /** The delete's time range relative to the block's base, inclusive. */
  readonly fromTs: number;
  readonly toTs: number;
}

/** The selection of a leaf by streams and time. Times are inclusive. */
interface CandidateQuery {
  readonly selector: readonly StringMatcher[];
  readonly shard: StreamShard | undefined;
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

/** The blocks of a section that may contain rows of the query, in order. */
export function findCandidates(
  reader: SectionReader,
  sourceIndex: number,
  query: CandidateQuery,
): Candidate[] {
  const { section, clip } = reader;
  const fromNs = clip && clip.startNs > query.fromNs ? clip.startNs : query.fromNs;
  const toNs = clip && clip.endNs <= query.toNs ? clip.endNs - 1n : query.toNs;
  if (section.maxNs < fromNs || section.minNs > toNs) return [];
  const mask = matchStreams(section, query.selector, query.shard);
  if (!mask.includes(1)) return [];
  const candidates: Candidate[] = [];
  for (const info of section.blocks) {
    const fromTs = Number(fromNs - info.baseNs);
    const toTs = Number(toNs - info.baseNs);
    if (info.maxTs < fromTs || info.minTs > toTs) continue;
    const matched = matchRuns(info.runs, mask, fromTs, toTs);
    if (!matched) continue;
    candidates.push({
      reader,
      sourceIndex,
      info,
      runs: matched.runs,
      minNs: info.baseNs + BigInt(matched.minTs),
      maxNs: info.baseNs + BigInt(matched.maxTs),
      fromTs,
      toTs,
    });
  }
  return candidates;
}

function matchRuns(
  runs: Runs,
  mask: Uint8Array,
  fromTs: number,
  toTs: number,
): { runs: Uint32Array; minTs: number; maxTs: number } | undefined {
  const matched: number[] = [];
  let minTs = Infinity;
  let maxTs = -Infinity;
  for (let run = 0; run < runs.count; run++) {
    if (mask[runs.stream[run]] === 0 || runs.maxTs[run] < fromTs || runs.minTs[run] > toTs) continue;
    matched.push(run);
    minTs = Math.min(minTs, runs.minTs[run]);
    maxTs = Math.max(maxTs, runs.maxTs[run]);
  }
  return matched.length === 0 ? undefined : { runs: Uint32Array.from(matched), minTs, maxTs };
}

/** First row in [from, to) whose timestamp is at least `ts`; rows are in timestamp order. */
export function firstRowAtOrAfter(timestamps: Float64Array, from: number, to: number, ts: number): number {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (timestamps[middle] < ts) from = middle + 1;
    else to = middle;
  }
  return from;
}

/**
 * The same row, for a `ts` that is probably a few rows after `from`, such as the end of a step: of 6 to 100
 * rows a step, the search takes two thirds of the time.
 */
export function nextRowAtOrAfter(timestamps: Float64Array, from: number, to: number, ts: number): number {
  for (let rows = 1; from + rows < to; rows *= 2) {
    if (timestamps[from + rows - 1] >= ts) return firstRowAtOrAfter(timestamps, from, from + rows, ts);
    from += rows;
  }
  return firstRowAtOrAfter(timestamps, from, to, ts);
}
