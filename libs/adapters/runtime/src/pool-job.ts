/** One task in the worker pool, from its call to its answer. */
import { LokiError } from '@loki/model';

/** A task in the pool: waiting, running, or given up by its caller. */
export interface Job {
  readonly id: number;
  readonly name: string;
  /** undefined: the task belongs to no tenant. */
  readonly tenant: string | undefined;
  /** The task takes some milliseconds, and a client waits for it. */
  readonly isUrgent: boolean;
  /**
   * Kept while the job runs, so that another thread can repeat it; undefined after its buffers were moved.
   */
  input: unknown;
  /** False after the input's buffers were moved: another thread cannot run the job. */
  isRepeatable: boolean;
  /** Number of threads that received the job. */
  attempts: number;
  readonly transfer: ((input: never) => ArrayBuffer[]) | undefined;
  readonly resolve: (output: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  /** Shared with the thread: 1 after the caller has given up. Present when the task has a signal. */
  readonly cancelled: Int32Array | undefined;
  readonly onAbort: () => void;
}

export function isCancelled({ cancelled }: Job): boolean {
  return cancelled !== undefined && Atomics.load(cancelled, 0) !== 0;
}

export function replacedError(): LokiError {
  return new LokiError(
    'unavailable',
    'the worker thread was replaced: another task on it could not be stopped',
  );
}

/** Removes the listener of the caller's signal: long-lived signals must not collect listeners. */
export function settle(job: Job): void {
  job.signal?.removeEventListener('abort', job.onAbort);
}
