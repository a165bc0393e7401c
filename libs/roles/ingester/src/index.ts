/** Public exports of the ingester; wiring is their main user. */
export { Ingester, ownsAll } from './ingester.ts';
export type { OwnedPartitions } from './ingester.ts';
export type { IngesterOptions } from './options.ts';
export type { PartitionStatus } from './partition.ts';
export { PatternIngester } from './pattern-ingester.ts';
export { StreamLimitCounts } from './stream-limit-counts.ts';
