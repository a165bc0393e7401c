export type { Adapters } from './adapters.ts';
export { openObjectStore } from './object-store.ts';
export { run } from './run.ts';
