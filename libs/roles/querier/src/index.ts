export { Querier } from './querier.ts';
export type { PartitionOwners, ResultsCaches } from './querier.ts';
