/** Public exports of wiring, for main programs and tools. */
export type { Adapters } from './stores/adapters.ts';
export { limitSyntaxChecks } from './roles/limit-syntax-checks.ts';
export { openObjectStore } from './stores/object-store.ts';
export { run } from './run.ts';
