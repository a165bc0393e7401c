/** Heavy work as tasks, which run on other threads. */
import type { ObjectStore } from './object-store.ts';
import type { RangeCache } from './range-cache.ts';
import type { Clock } from './time.ts';

/** The environment of a task in its worker. */
export interface WorkerEnv {
  readonly objectStore: ObjectStore;
  /** A local cache of footers and columns; absent: every read goes to the store. */
  readonly rangeCache?: RangeCache;
  /** Measures the time of requests to the store; absent: tasks report no time. */
  readonly clock?: Clock;
  /**
   * Caches (decoded blocks, compiled queries), by the name of their owner. The worker may drop them at any
   * time, so each task asks for its cache.
   */
  readonly cache: Map<string, unknown>;
  /** Most bytes of decoded blocks in this worker's cache. */
  readonly cacheBytesMax: number;
  /** Most bytes that all running tasks may hold together, caches excluded; absent: the engine's own bound. */
  readonly stateBytesMax?: number;
}

/**
 * Throws when the caller of a task has given up. The error ends the task and is not reported. Costs one
 * atomic load, so a task may call it for every block.
 */
export type CheckCancelled = () => void;

/**
 * A unit of heavy work. Input and output are structured-cloneable. Apart from `env` a task must be pure, so
 * that it may run on any thread, or twice.
 */
export interface Task<Input, Output> {
  readonly name: string;
  /** @param checkCancelled long tasks call it from time to time; absent: the caller cannot cancel */
  run(input: Input, env: WorkerEnv, checkCancelled?: CheckCancelled): Promise<Output> | Output;
  /** Buffers of `input` that are moved, not copied; the caller can no longer use them. */
  transfer?(input: Input): ArrayBuffer[];
  /** The same for the output. */
  transferOutput?(output: Output): ArrayBuffer[];
}

/** Options that determine the thread and the priority of a task, and its cancellation. */
export interface TaskOptions {
  /** Tasks with the same number prefer the same worker, whose cache then has their blocks. */
  readonly affinity?: number;
  /** Stops the task at its next `checkCancelled`. */
  readonly signal?: AbortSignal;
  /** For short work that a client waits for: it does not queue behind scans of queries. */
  readonly isUrgent?: boolean;
  /** `bodies`: a queue of its own for large bodies, which take seconds; other tasks do not wait for them. */
  readonly lane?: 'bodies';
  /** The tenant of the task: it does not wait when scans of other tenants occupy all shared threads. */
  readonly tenant?: string;
}

/** Runs heavy work: on threads in production, on the same thread in simulation and tests. */
export interface Workers {
  /** Number of tasks that can run in parallel. */
  readonly parallelism: number;
  /** Rejects with the error that the task threw (LokiErrors keep their code), or with the signal's reason. */
  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output>;
  close(): Promise<void>;
}
