/** Helper of tests of the querier's caches: a segment. */
import type { SegmentRef } from '@loki/catalog';

/** A flushed segment with one row, over the nanoseconds 100 to 200. */
export const segment: SegmentRef = {
  key: 'segments/0/0-9-a',
  partition: 0,
  startOffset: 0,
  endOffset: 9,
  minNs: 100n,
  maxNs: 200n,
  rowCount: 1,
  lineBytes: 1,
  sizeBytes: 1,
  level: 0,
  createdMs: 0,
};
