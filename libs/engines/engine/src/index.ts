/** The query engine: leaves over segments, merges of their results, and the root of a query. */
export { findDeletedRows } from './leaf/find-deleted.ts';
export { leafTask } from './leaf/leaf-task.ts';
export { openTask } from './leaf/open-task.ts';
export { leavesTask } from './leaf/leaves-task.ts';
export { mergeLeafResults } from './merge/merge-leaf-results.ts';
export { mergeAsTheyCome } from './merge/merge-as-they-come.ts';
export type { MemoryBudget } from './common/memory-budget.ts';
export { QueryThread } from './common/query-thread.ts';
export type { PackedLeafResult } from './merge/packed-result.ts';
export { packedBytes, unpackLeafResult } from './merge/packed-result.ts';
export { resultBytes } from './merge/result-bytes.ts';
export { evaluate } from './root/evaluate.ts';
export { asSampleLeaf, rangeAggOf } from './common/leaf-expr.ts';
export type { Work } from './common/sliced-work.ts';
export { atOnce, itemsPerSlice, sorted } from './common/sliced-work.ts';
export { mergesInAnyOrder, stepCount } from './merge/merge-samples.ts';
export type { QueryOutcome, QueryParams, QueryResult } from './common/query-types.ts';
export type { SamplePart } from './merge/sample-parts.ts';
export { cutSampleResult, joinSampleParts, mergeRangeParts } from './merge/sample-parts.ts';
export { tooManySeries } from './common/series-labels.ts';
export { streamsTask, unpackStreams } from './leaf/streams-task.ts';
export {
  ceilTo,
  floorTo,
  isShardable,
  isSplittable,
  joinRanges,
  splitRange,
  splitSteps,
} from './merge/time-splits.ts';
export { mergeStreamVolumes } from './merge/stream-volumes.ts';
export { groupOf } from './leaf/stream-groups.ts';
export { volumeTask } from './leaf/volume-task.ts';
export type { DetectedField } from './leaf/collect-fields.ts';
export { collectFields, fieldsTask } from './leaf/collect-fields.ts';
