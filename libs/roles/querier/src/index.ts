/** Public exports of the querier; wiring is their only user. */
export { Querier } from './querier.ts';
export type { PartitionOwners, ResultsCaches } from './querier.ts';
