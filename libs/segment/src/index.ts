export { columns } from './types.ts';
export type {
  Block,
  BlockInfo,
  ColumnMask,
  MetadataColumn,
  RawSection,
  Runs,
  Section,
  StreamTable,
} from './types.ts';
