export { encodeSegment } from './encode.ts';
export type { EncodeOptions } from './encode.ts';
export type { SectionSummary } from './assemble.ts';
export type { FilterBuilder } from './gather.ts';
export { inspectSegment } from './inspect.ts';
export type { ColumnSizes, SectionInspection, SegmentInspection } from './inspect.ts';
export { mergeSegments } from './merge.ts';
export type { MergeInput, MergeOptions, MergeResult } from './merge.ts';
export { openSegment } from './open.ts';
export { removeRows } from './remove.ts';
export type { RemovedRows, RemoveOptions } from './remove.ts';
export { readSegment } from './stored.ts';
export { encodeRecords } from './records.ts';
export { encodeRecordsTask, mergeTask } from './tasks.ts';
export type { EncodeInput, MergeTaskInput, MergeTaskOutput, MergeTaskSource } from './tasks.ts';
export { damageOf, verifySegment } from './verify.ts';
export type { SegmentReport } from './verify.ts';
export { RowWriter } from './row-writer.ts';
export { columns } from './types.ts';
export type {
  Block,
  BlockFilter,
  BlockInfo,
  ColumnMask,
  FetchOptions,
  LabelIndex,
  MetadataColumn,
  RawSection,
  RowMetadata,
  Runs,
  Section,
  Segment,
  SegmentFooter,
  SegmentKind,
  StoredSegment,
  StreamTable,
} from './types.ts';
