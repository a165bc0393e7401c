export type { DeletedRows } from './find-deleted.ts';
export { findDeletedRows } from './find-deleted.ts';
export type { LeafTaskInput } from './leaf-task.ts';
export { leafTask, mergeLeafResults } from './leaf-task.ts';
export { mergeAsTheyCome } from './merge-as-they-come.ts';
export { MemoryPool } from './memory-budget.ts';
export { mergeLogResults } from './merge-log.ts';
export type { SampleLeafExpr } from './root-evaluate.ts';
export { asSampleLeaf, evaluate, rangeAggOf } from './root-evaluate.ts';
export { finalizeSeries } from './root-finalize.ts';
export type { Work } from './root-work.ts';
export { complete, finish, sorted } from './root-work.ts';
export { mergeSampleResults, stepCount } from './root-merge.ts';
export type {
  EvaluateOptions,
  MatrixSeries,
  QueryOutcome,
  QueryParams,
  QueryResult,
  RunLeaf,
} from './root-types.ts';
export type { SamplePart } from './sample-parts.ts';
export { cutSampleResult, joinSampleParts, mergeRangeParts } from './sample-parts.ts';
export { tooManySeries } from './root-rows.ts';
export { openStored } from './section-reader.ts';
export type { LeafSource } from './section-reader.ts';
export { matchingStreams } from './streams.ts';
export type { RangeSplit } from './time-splits.ts';
export {
  ceilTo,
  floorTo,
  isShardable,
  isSplittable,
  joinRanges,
  splitRange,
  splitSteps,
} from './time-splits.ts';
export { mergeVolumeBuckets } from './volume-buckets.ts';
export type { VolumeTaskInput } from './volume-task.ts';
export { volumeTask } from './volume-task.ts';
export type { DetectedField, FieldsTaskInput } from './collect-fields.ts';
export { collectFields, fieldsTask } from './collect-fields.ts';
