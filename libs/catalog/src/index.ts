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
export { Replacements } from './replacements.ts';
export type { Replacement } from './replacements.ts';
export type { SegmentRef } from './section-index.ts';
export { deleteOf, DeleteRequests } from './delete-requests.ts';
export type { DeleteRequestsOptions } from './delete-requests.ts';
export type { DeleteRequest } from './delete-state.ts';
export { HiddenRows } from './hidden-rows.ts';
export type { HiddenRowsOptions } from './hidden-rows.ts';
export { expiredRows } from './retention.ts';
export type { RetentionLimits } from './retention.ts';
