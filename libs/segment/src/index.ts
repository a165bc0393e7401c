export { encodeSegment } from './encode.ts';
export type { EncodeOptions } from './encode.ts';
export type { SectionSummary } from './assemble.ts';
export { mergeSegments } from './merge.ts';
export type { MergeInput, MergeOptions, MergeResult } from './merge.ts';
export { openSegment } from './open.ts';
export { RowWriter } from './row-writer.ts';
export { columns } from './types.ts';
export type {
  Block,
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
