export type { Commit, CommittedSegment, CommittedState, PartitionCommits } from './commit.ts';
export type { CommittedSegments } from './committed-rows.ts';
export type { IngesterDeps } from './deps.ts';
export { Ingester, ownsAll } from './ingester.ts';
export type { OwnedPartitions } from './ingester.ts';
export { noIngesterMetrics } from './metrics.ts';
export type { FlushedSegment, HeadGauges, IngesterMetrics } from './metrics.ts';
export { ingesterOptionsDefault } from './options.ts';
export type { IngesterOptions } from './options.ts';
export type { PartitionStatus } from './partition.ts';
export { noPatternMetrics, PatternIngester, patternIngesterOptionsDefault } from './pattern-ingester.ts';
export type {
  PatternIngesterDeps,
  PatternIngesterOptions,
  PatternMetrics,
  PatternSource,
} from './pattern-ingester.ts';
export { StreamCounts } from './stream-counts.ts';
export type { StreamCountsOptions } from './stream-counts.ts';
export type { FlushReason } from './seal.ts';
export type { WriterTable } from './writers.ts';
