export { Querier } from './querier.ts';
export type { IngesterDirectory, QuerierDeps, ResultsCaches } from './querier.ts';
export { mergeStreamVolumes, streamsTask } from './streams.ts';
