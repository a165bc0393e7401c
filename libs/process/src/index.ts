export type { Adapters } from './adapters.ts';
export { run } from './run.ts';
