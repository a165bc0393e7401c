import { Worker } from 'node:worker_threads';
import type { ResourceLimits } from 'node:worker_threads';
import { LokiError } from '@loki/model';
import { errorFromWire, movable } from './worker-protocol.ts';
import type { TaskAnswer, TaskCall } from './worker-protocol.ts';

/** A task on its way: waiting, running, or given up by its caller. */
export interface Job {
  readonly id: number;
  readonly name: string;
  /** Dropped once the worker has it. */
  input: unknown;
  readonly transfer: ((input: never) => ArrayBuffer[]) | undefined;
  readonly resolve: (output: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  /** Shared with the thread: 1 once the caller has given up. There when there is a signal. */
  readonly cancelled: Int32Array | undefined;
  readonly onAbort: () => void;
}

interface PoolWorkerOptions {
  readonly entry: URL;
  readonly workerData: unknown;
  readonly resourceLimits: ResourceLimits | undefined;
  /** A task ended, so another may be given. */
  readonly onFree: (worker: PoolWorker) => void;
  /** The thread ended: what waits for it should go elsewhere. It will be started again. */
  readonly onDown: (worker: PoolWorker) => void;
}

/** Waits between attempts to start a thread that keeps ending: doubles from the first to the last. */
const respawnFirstMs = 50;
const respawnMostMs = 5_000;

/** One thread, started again whenever it ends, with the jobs it runs and those that wait for it. */
export class PoolWorker {
  readonly queue: Job[] = [];
  readonly running = new Map<number, Job>();
  /** Times in a row that the thread ended without having answered anything. */
  failedStarts = 0;
  readonly #options: PoolWorkerOptions;
  #thread: Worker | undefined;
  #respawn: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: PoolWorkerOptions) {
    this.#options = options;
    this.#start();
  }

  get load(): number {
    return this.running.size + this.queue.length;
  }

  get isUp(): boolean {
    return this.#thread !== undefined;
  }

  /** Sends `job` to the thread. An input that cannot be cloned rejects that job alone. */
  give(job: Job): void {
    const call: TaskCall = { id: job.id, name: job.name, input: job.input, cancelled: job.cancelled };
    try {
      this.#thread!.postMessage(call, movable(job.transfer?.(job.input as never)));
    } catch (error) {
      settle(job);
      job.reject(error);
      return;
    }
    job.input = undefined;
    this.running.set(job.id, job);
    this.#thread!.ref(); // a caller waits: the process must live until the answer
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#respawn);
    await this.#thread?.terminate();
  }

  #start(): void {
    const thread = new Worker(this.#options.entry, {
      workerData: this.#options.workerData,
      resourceLimits: this.#options.resourceLimits,
    });
    thread.unref();
    let crash: unknown;
    thread.on('message', (answer: TaskAnswer) => this.#finish(answer));
    thread.on('messageerror', (error) => {
      // The answer is lost and with it the knowledge of whose it was: only a new thread is in a known state.
      crash = error;
      void thread.terminate();
    });
    thread.on('error', (error) => (crash = error));
    thread.on('exit', (code) => this.#ended(crash ?? `exit code ${code}`));
    this.#thread = thread;
  }

  #finish(answer: TaskAnswer): void {
    this.failedStarts = 0;
    const job = this.running.get(answer.id);
    this.running.delete(answer.id);
    if (this.running.size === 0) this.#thread?.unref();
    if (job) {
      settle(job);
      if (answer.ok) job.resolve(answer.output);
      else job.reject(errorFromWire(answer.failure));
    }
    this.#options.onFree(this);
  }

  #ended(why: unknown): void {
    this.#thread = undefined;
    this.failedStarts++;
    const reason = typeof why === 'object' && why !== null && 'message' in why ? why.message : why;
    const error = new LokiError('internal', `worker thread ended: ${String(reason)}`, { cause: why });
    for (const job of this.running.values()) {
      settle(job);
      job.reject(error);
    }
    this.running.clear();
    if (this.#isClosed) return;
    const delayMs = Math.min(respawnFirstMs * 2 ** (this.failedStarts - 1), respawnMostMs);
    this.#respawn = setTimeout(() => {
      this.#start();
      this.#options.onFree(this);
    }, delayMs);
    this.#options.onDown(this);
  }
}

/** Stops listening for the caller's abort: long-lived signals must not collect listeners. */
export function settle(job: Job): void {
  job.signal?.removeEventListener('abort', job.onAbort);
}
