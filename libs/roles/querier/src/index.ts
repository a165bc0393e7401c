export { Querier } from './querier.ts';
export type { IngesterDirectory, ResultsCaches } from './querier.ts';
export { streamsTask } from './streams.ts';
