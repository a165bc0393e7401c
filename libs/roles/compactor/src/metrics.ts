/** What the compactor counts; made by the process that runs it. */
export interface CompactorMetrics {
  running(isRunning: boolean): void;
  compacted(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void;
  retentionApplied(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void;
  deleteRequestReceived(tenant: string): void;
  deleteRequestsLoaded(ok: boolean): void;
  /** Requests past the cancel period that are not carried out, and how old the oldest is. */
  pendingDeletes(count: number, oldestAgeSeconds: number): void;
  merged(merge: { inputBytes: number; outputBytes: number; removedRows: number }): void;
  /** Another compactor was ahead of us. */
  mergeLost(): void;
  /** Merges that wait after the last look. */
  backlog(waiting: number): void;
  objectDeleted(reason: string): void;
}

/** Counts nothing. */
export const noCompactorMetrics: CompactorMetrics = {
  running() {},
  compacted() {},
  retentionApplied() {},
  deleteRequestReceived() {},
  deleteRequestsLoaded() {},
  pendingDeletes() {},
  merged() {},
  mergeLost() {},
  backlog() {},
  objectDeleted() {},
};
