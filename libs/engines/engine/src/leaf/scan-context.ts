/** The context that all parts of one leaf's scan share. */
import { emptyLeafStats } from '@loki/ports';
import type { CheckCancelled, LeafStats } from '@loki/ports';
import { neverCancelled } from '../common/cancel.ts';
import { MemoryBudget } from '../common/memory-budget.ts';
import type { Deletes } from './deletes.ts';
import type { SourceCosts } from './source-costs.ts';

/** Deletes, statistics, memory and cancellation of one leaf's scan. */
export interface ScanContext {
  readonly stats: LeafStats;
  /** Rows to leave out. */
  readonly deletes: Deletes | undefined;
  readonly memory: MemoryBudget;
  /** Called at each block, and every `rowsPerCheck` rows while stages run. */
  readonly checkCancelled: CheckCancelled;
  /** Absent: the costs of sources are not distinguished. */
  readonly costs?: SourceCosts;
}

/** Rows between two checks for cancellation: a stage may take 0.2 s for one row. */
export const rowsPerCheck = 8;

export function scanContext(parts: Partial<ScanContext>): ScanContext {
  return {
    stats: parts.stats ?? emptyLeafStats(),
    deletes: parts.deletes,
    memory: parts.memory ?? new MemoryBudget(),
    checkCancelled: parts.checkCancelled ?? neverCancelled,
    costs: parts.costs,
  };
}
