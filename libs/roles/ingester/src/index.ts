export { Ingester, ownsAll } from './ingester.ts';
export type { OwnedPartitions } from './ingester.ts';
export { noIngesterMetrics } from './metrics.ts';
export type { IngesterMetrics } from './metrics.ts';
export type { IngesterOptions } from './options.ts';
export type { PartitionStatus } from './partition.ts';
export { PatternIngester } from './pattern-ingester.ts';
export { StreamCounts } from './stream-counts.ts';
