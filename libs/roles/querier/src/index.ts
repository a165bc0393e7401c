/** Public exports of the querier; wiring is their only user. */
export { Querier } from './querier.ts';
export type { ResultsCaches } from './kept-results.ts';
export type { PartitionOwners } from './partition-heads.ts';
