export type { Adapters } from './adapters.ts';
export { limitChecks } from './limit-checks.ts';
export { openObjectStore } from './object-store.ts';
export { run } from './run.ts';
