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
