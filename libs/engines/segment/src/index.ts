/** Segments: the one byte format of records, heads, flushed and compacted objects (FORMAT.md). */
export { encodeSegment } from './encode.ts';
export { plainPartsOf, searchFilterKind } from './filter-build.ts';
export { FilterProbe, needleOf } from './filter-probe.ts';
export type { Needle } from './filter-probe.ts';
export { inspectSegment } from './inspect.ts';
export type { SectionInspection, SegmentInspection } from './inspect.ts';
export { mergeSegments } from './merge.ts';
export { openSegment } from './open.ts';
export { removeRows, sectionOf } from './remove.ts';
export { readSegment, TailGuess } from './stored.ts';
export { encodeRecords } from './records.ts';
export { encodeRecordsTask, mergeTask } from './tasks.ts';
export type { MergeTaskOutput } from './tasks.ts';
export { damageOf, verifySegment } from './verify.ts';
export { RowWriter } from './row-writer.ts';
export { columns } from './types.ts';
export type {
  Block,
  BlockFilter,
  BlockInfo,
  ColumnMask,
  LabelIndex,
  MetadataColumn,
  RowMetadata,
  Runs,
  Section,
  Segment,
  StoredSegment,
} from './types.ts';
