export { findDeletedRows } from './find-deleted.ts';
export { leafTask, mergeLeafResults } from './leaf-task.ts';
export { mergeAsTheyCome } from './merge-as-they-come.ts';
export { MemoryPool } from './memory-budget.ts';
export { asSampleLeaf, evaluate, rangeAggOf } from './root-evaluate.ts';
export type { Work } from './root-work.ts';
export { complete, sorted } from './root-work.ts';
export { stepCount } from './root-merge.ts';
export type { QueryOutcome, QueryParams, QueryResult } from './root-types.ts';
export type { SamplePart } from './sample-parts.ts';
export { cutSampleResult, joinSampleParts, mergeRangeParts } from './sample-parts.ts';
export { tooManySeries } from './root-rows.ts';
export { openStored } from './section-reader.ts';
export { matchingStreams } from './streams.ts';
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
export { volumeTask } from './volume-task.ts';
export type { DetectedField } from './collect-fields.ts';
export { collectFields, fieldsTask } from './collect-fields.ts';
