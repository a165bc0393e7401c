/** Public exports of the compactor; wiring is their main user. */
export { Compactor } from './compactor.ts';
export type { CompactorStatus } from './compactor.ts';
export { DeletesApi } from './deletes-api.ts';
export { compactorDefaults } from './deps.ts';
export type { CompactorOptions } from './deps.ts';
export { mergeDaysTask, rewriteTask } from './merge-day-task.ts';
export { sharedWork } from './share.ts';
export type { CompactorShare } from './share.ts';
export { verifyTask } from './verify-task.ts';
