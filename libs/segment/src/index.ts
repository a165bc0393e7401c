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
