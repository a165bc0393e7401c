/** Segments: the one byte format of records, heads, flushed and compacted objects (FORMAT.md). */
export { encodeSegment } from './write/encode.ts';
export { pairBytes } from './columns/metadata-bytes.ts';
export { plainPartsOf, searchFilterKind } from './filter/filter-build.ts';
export { FilterProbe, needleOf } from './filter/filter-probe.ts';
export type { Needle } from './filter/filter-probe.ts';
export { inspectSegment } from './read/inspect.ts';
export type { SectionInspection, SegmentInspection } from './read/inspect.ts';
export { mergeSegments } from './merge/merge.ts';
export { openSegment } from './read/open.ts';
export { removeRows, sectionOf } from './merge/remove.ts';
export { readSegment } from './read/stored.ts';
export { TailGuess } from './read/tail-guess.ts';
export type { TailContent } from './read/tail-guess.ts';
export { encodeRecords } from './write/records.ts';
export { encodeRecordsTask, mergeTask } from './tasks.ts';
export type { MergeTaskOutput } from './tasks.ts';
export { damageOf, verifySegment } from './read/verify.ts';
export { RowWriter } from './write/row-writer.ts';
export { columns } from './format/types.ts';
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
} from './format/types.ts';
