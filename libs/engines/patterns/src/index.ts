/** Patterns of log lines: clustering, bounded storage, and the answers of `/patterns`. */
export { mergePatterns } from './merge-patterns.ts';
export { PatternStore } from './pattern-store.ts';
export { summarizeTask } from './summarize.ts';
export { bucketSeconds } from './time-counts.ts';
