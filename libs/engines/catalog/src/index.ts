/** The catalog: which segments exist, which rows are hidden, who owns the store. */
export { Catalog } from './catalog.ts';
export { CatalogFollower } from './catalog-follower.ts';
export type { CatalogNewsSource } from './catalog-follower.ts';
export { committedSegments, partitionCommitters, sectionsOf } from './commits.ts';
export type { CommitState, FlushCommit, PartitionCommitter } from './commits.ts';
export type { ManifestSection, WriterTable } from './logs/manifest.ts';
export { PartitionCatalog } from './logs/partition-catalog.ts';
export type { LiveSegment } from './logs/segment-groups.ts';
export type {
  CompactedSegment,
  DayChange,
  FlushedInput,
  RecordRange,
} from './compaction/compaction-manifest.ts';
export { undoableMs } from './compaction/compaction-state.ts';
export { dayOf } from './compaction/section-index.ts';
export type { SegmentRef } from './compaction/section-index.ts';
export { deleteOf, DeleteRequests } from './deletes/delete-requests.ts';
export type { DeleteRequest } from './deletes/delete-state.ts';
export { HiddenRows } from './deletes/hidden-rows.ts';
export { expiredRows } from './deletes/retention.ts';
export type { RetentionLimits } from './deletes/retention.ts';
export { fixedPartitions, PartitionLayout } from './layout/partition-layout.ts';
export type { Partitions } from './layout/partition-layout.ts';
export { SharedLogs } from './shared-logs.ts';
export { StreamShards } from './layout/stream-shards.ts';
export type { ShardStep } from './layout/stream-shards-state.ts';
export { repairCatalog } from './repair.ts';
export { ownStore } from './owner/own-store.ts';
export { OwnerMark } from './owner/owner-mark.ts';
