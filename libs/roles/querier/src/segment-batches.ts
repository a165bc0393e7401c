/** Divides segments into batches, each for one message to a worker thread: step *fetch, scan* of a query. */
import type { SegmentRef } from '@loki/catalog';
import { mergesInAnyOrder } from '@loki/engine';
import { parseLeafText, rangeAggregationOf } from '@loki/logql';
import type { LeafRequest } from '@loki/ports';

/**
 * Segments of one message when lines are read: other scans of the thread, such as the next panel's, wait for
 * the message, and a segment of a flush has some 60 MB of lines.
 */
const segmentsMaxOfLines = 2;
/** The same for leaves that need the index and small columns. */
const segmentsMaxOfColumns = 8;
/** The same for logs with a limit: their search filters rule out most blocks, or the limit is soon filled. */
const segmentsMaxOfLogs = 4;

/** Segments that one message names. */
export interface SegmentBatch {
  readonly segments: readonly SegmentRef[];
  /** Numbers of the results: one for each segment, or one for all. */
  readonly parts: readonly number[];
}

/**
 * Batches of segments of the same thread. The segments of a batch have one result when it does not depend on
 * the order in which results merge; otherwise each has its own.
 *
 * @param segments oldest first
 */
export function segmentBatches(
  request: LeafRequest,
  segments: readonly SegmentRef[],
  threadOf: (segment: SegmentRef) => number,
): SegmentBatch[] {
  const isMerged = mergesInAnyOrder(request);
  return indexBatches(
    segments,
    threadOf,
    readsLines(request) ? segmentsMaxOfLines : segmentsMaxOfColumns,
  ).map((indexes, batch) => ({
    segments: indexes.map((index) => segments[index]),
    parts: isMerged ? [batch] : indexes,
  }));
}

/** Indexes of items by thread, in order, at most `itemsMax` in a batch. */
export function indexBatches<T>(
  items: readonly T[],
  threadOf: (item: T) => number,
  itemsMax: number = segmentsMaxOfLogs,
): number[][] {
  const batches: number[][] = [];
  const open = new Map<number, number[]>();
  items.forEach((item, index) => {
    const thread = threadOf(item);
    let batch = open.get(thread);
    if (!batch || batch.length >= itemsMax) {
      batch = [];
      open.set(thread, batch);
      batches.push(batch);
    }
    batch.push(index);
  });
  return batches;
}

function readsLines(request: LeafRequest): boolean {
  if (request.kind === 'log') return true;
  const { log, unwrap } = rangeAggregationOf(parseLeafText(request.expr));
  return log.stages.length > 0 || unwrap !== undefined;
}
