/** Options of the pool of threads. */
import type { ResourceLimits } from 'node:worker_threads';

export interface WorkerPoolOptions {
  /** The script that calls `serveTasks`; it may be a `.ts` file. */
  readonly entry: URL;
  /** Passed to the script's environment factory; must be structured-cloneable. */
  readonly workerData?: unknown;
  /** Number of common threads. */
  readonly size: number;
  /**
   * Most waiting tasks over all workers; further ones are refused with `overloaded`. Default 256 for each
   * thread.
   */
  readonly tasksQueuedMax?: number;
  /**
   * Most tasks of one thread at a time: with several, one computes while another waits for a fetch. Default
   * 4.
   */
  readonly tasksPerWorkerMax?: number;
  /**
   * The preferred worker is passed over when it has this many more tasks than the least busy one. Default 4.
   */
  readonly affinitySlackMax?: number;
  /** `workerData` of the urgent thread. Default: that of the common threads. */
  readonly urgentWorkerData?: unknown;
  readonly resourceLimits?: ResourceLimits;
  /**
   * Common threads but the first, and express threads, are ended after this long without a task. Default 0:
   * they stay.
   */
  readonly commonIdleMs?: number;
  /** Threads for urgent tasks and for bodies are ended after this long without a task. Default 30 s. */
  readonly laneIdleMs?: number;
  /** Takes values that threads send by the `report` of their environment's factory. */
  readonly onReport?: (content: unknown) => void;
  /** Called for each thread that is ended because `tasks` ignore their cancellation. */
  readonly onUnresponsive?: (tasks: readonly string[]) => void;
}
