export type { Adapters } from './stores/adapters.ts';
export { limitChecks } from './roles/limit-checks.ts';
export { openObjectStore } from './stores/object-store.ts';
export { run } from './run.ts';
