/** Heavy work as tasks, which run on other threads. */
import type { ObjectStore } from './object-store.ts';
import type { Clock } from './time.ts';

/** The things that a task may use where it runs. */
export interface WorkerEnv {
  readonly objectStore: ObjectStore;
  /** Measures how long tasks wait for the store; absent: they report no time. */
  readonly clock?: Clock;
  /** Lives as long as the worker: caches of decoded blocks, compiled queries. Keyed by who owns them. */
  readonly cache: Map<string, unknown>;
  /** Bytes of decoded blocks this worker may keep. */
  readonly cacheBytesMax: number;
  /**
   * Bytes that the tasks at work may hold together, besides what is cached; absent: the engine's own bound.
   */
  readonly stateBytesMax?: number;
}

/**
 * Asks whether the caller of a task has given up, and throws when it has. The error ends the task and is not
 * reported. Costs one atomic load, so a task may ask at every block it reads.
 */
export type CheckCancelled = () => void;

/**
 * A unit of heavy work. Input and output are structured-cloneable. A task must be pure but for `env`, so that
 * it may run on any thread, or twice.
 */
export interface Task<Input, Output> {
  readonly name: string;
  /**
   * @param checkCancelled to be called from time to time by tasks that may take long; absent: nobody can give
   *   up
   */
  run(input: Input, env: WorkerEnv, checkCancelled?: CheckCancelled): Promise<Output> | Output;
  /** Buffers of `input` that may be moved instead of copied (the caller gives them up). */
  transfer?(input: Input): ArrayBuffer[];
  /** The same for the output. */
  transferOutput?(output: Output): ArrayBuffer[];
}

/** Where and when a task runs. */
export interface TaskOptions {
  /** Tasks with the same number prefer the same worker, whose cache then has what they need. */
  readonly affinity?: number;
  /** Stops the task at its next `checkCancelled`. */
  readonly signal?: AbortSignal;
  /** Milliseconds of work that a client waits for: it never waits behind queries' scans. */
  readonly isUrgent?: boolean;
  /** `bodies`: large bodies, which take seconds, wait for each other alone. */
  readonly lane?: 'bodies';
  /** It does not wait behind scans when those of other tenants have all common threads. */
  readonly tenant?: string;
}

/** Where heavy work goes: threads in production, the same thread in simulation and tests. */
export interface Workers {
  /** How many tasks can truly run side by side. */
  readonly parallelism: number;
  /** Rejects with what the task threw (LokiErrors keep their code), or with the signal's reason. */
  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output>;
  close(): Promise<void>;
}
