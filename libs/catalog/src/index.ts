export { Catalog } from './catalog.ts';
export type { CatalogOptions } from './catalog.ts';
export { committedSegments, partitionCommitters, sectionsOf } from './commits.ts';
export type { CommitState, FlushCommit, PartitionCommitter } from './commits.ts';
export type {
  CatalogEntry,
  DroppedSections,
  EntryContent,
  SectionEntry,
  SegmentEntry,
  WriterTable,
} from './entry.ts';
export { PartitionCatalog } from './partition-catalog.ts';
export type { CommitOutcome, PartitionCatalogOptions } from './partition-catalog.ts';
export { PartitionState } from './partition-state.ts';
export type { DeadSegment, LiveSegment } from './partition-state.ts';
export type { CompactedDay } from './compacted-day.ts';
export type {
  CompactedSegment,
  CompactionEntry,
  DayChange,
  FlushedInput,
  RecordRange,
} from './compaction-entry.ts';
export { CompactionState, undoableMs } from './compaction-state.ts';
export { NumberedLog } from './numbered-log.ts';
export { dayNs, dayOf, daysMax } from './section-index.ts';
export type { SegmentRef } from './section-index.ts';
export { deleteOf, DeleteRequests } from './delete-requests.ts';
export type { DeleteRequestsOptions } from './delete-requests.ts';
export type { DeleteRequest } from './delete-state.ts';
export { HiddenRows } from './hidden-rows.ts';
export type { HiddenRowsOptions } from './hidden-rows.ts';
export { expiredRows } from './retention.ts';
export type { RetentionLimits } from './retention.ts';
export { StreamShards } from './stream-shards.ts';
export type { StreamShardsOptions } from './stream-shards.ts';
export type { ShardStep } from './stream-shards-state.ts';
