import { Worker } from 'node:worker_threads';
import type { ResourceLimits } from 'node:worker_threads';
import { hasCode, LokiError } from '@loki/model';
import { errorFromWire, movable, ping } from './worker-protocol.ts';
import type { TaskAnswer, TaskCall, WorkerStart } from './worker-protocol.ts';

/** A task on its way: waiting, running, or given up by its caller. */
export interface Job {
  readonly id: number;
  readonly name: string;
  /** Undefined: nobody's in particular. */
  readonly tenant: string | undefined;
  /** It computes for some milliseconds and is waited for by a client. */
  readonly isUrgent: boolean;
  /**
   * Kept while the job runs, so that another thread can run it again; undefined once its buffers were moved.
   */
  input: unknown;
  /** False once the thread has the input's buffers: the job cannot be given to another one. */
  isRepeatable: boolean;
  /** Threads that were given the job. */
  attempts: number;
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
  readonly start: WorkerStart;
  readonly resourceLimits: ResourceLimits | undefined;
  /** A task ended, so another may be given. */
  readonly onFree: (worker: PoolWorker) => void;
  /** The thread ended: what waits for it should go elsewhere. It will be started again. */
  readonly onDown: (worker: PoolWorker) => void;
  /** The thread was ended because of another job; this one should run elsewhere. */
  readonly onRepeat: (job: Job) => void;
  /** The thread is ended because `tasks`, which it has, ignore their cancellation. */
  readonly onUnresponsive: (tasks: readonly string[]) => void;
}

/** Waits between attempts to start a thread that keeps ending: doubles from the first to the last. */
const respawnFirstMs = 50;
const respawnMostMs = 5_000;

/** A thread whose cancelled job shows no sign of life for so long is ended. */
const unresponsiveMsMax = 2_000;
/**
 * The same for a thread that starts, or is at a job that was not cancelled, while a cancelled one waits.
 * Merges of the largest segments take seconds without a sign; longer than this takes only a job whose turn on
 * the thread was not seen.
 */
const silentMsMax = 30_000;
/** A job that was on two threads that were ended is a suspect itself. */
const attemptsMax = 3;

/**
 * One thread, with the jobs it runs and those that wait for it. Its first job starts it: a thread is 25 MiB
 * and 0.1 s of CPU, which a process without work does not need. It is started again whenever it ends.
 */
export class PoolWorker {
  readonly queue: Job[] = [];
  readonly running = new Map<number, Job>();
  /** Times in a row that the thread ended without having answered anything. */
  failedStarts = 0;
  readonly #options: PoolWorkerOptions;
  #thread: Worker | undefined;
  #hasStarted = false;
  #respawn: NodeJS.Timeout | undefined;
  /** Shared with the thread: see `TaskCall.pulse`. */
  #pulse = newPulse();
  #watch: NodeJS.Timeout | undefined;
  /** The thread is being ended because it is unresponsive. */
  #isCondemned = false;
  #isClosed = false;

  constructor(options: PoolWorkerOptions) {
    this.#options = options;
  }

  /** All its jobs, if any, are urgent ones: none holds the thread for long. */
  get isAllUrgent(): boolean {
    for (const job of this.running.values()) if (!job.isUrgent) return false;
    return this.queue.every((job) => job.isUrgent);
  }

  get load(): number {
    return this.running.size + this.queue.length;
  }

  worksFor(tenant: string): boolean {
    for (const job of this.running.values()) if (job.tenant === tenant) return true;
    return this.queue.some((job) => job.tenant === tenant);
  }

  worksForOthers(tenant: string): boolean {
    for (const job of this.running.values()) if (job.tenant !== tenant) return true;
    return this.queue.some((job) => job.tenant !== tenant);
  }

  /** Takes jobs: the thread is there, or starts with the first of them. */
  get isUp(): boolean {
    return this.#thread !== undefined || !this.#hasStarted;
  }

  /** Has the thread there before the first job. */
  start(): void {
    if (!this.#hasStarted) this.#start();
  }

  /** Sends `job` to the thread. An input that cannot be cloned rejects that job alone. */
  give(job: Job): void {
    const { id, name, input, cancelled } = job;
    this.start();
    const call: TaskCall = { id, name, input, cancelled, pulse: this.#pulse };
    try {
      const moved = movable(job.transfer?.(input as never));
      this.#thread!.postMessage(call, moved);
      job.isRepeatable = moved.length === 0;
    } catch (error) {
      settle(job);
      job.reject(error);
      return;
    }
    if (!job.isRepeatable) job.input = undefined;
    job.attempts++;
    this.running.set(job.id, job);
    this.#thread!.ref(); // a caller waits: the process must live until the answer
  }

  /**
   * To be called when a running job was cancelled: unless the thread answers it, or shows by its pulse that
   * it does something else, it is ended and replaced.
   */
  expectAnswer(): void {
    if (this.#watch || !this.#thread) return;
    this.#ping();
    let beats = this.#pulse[0];
    let silentMs = 0;
    this.#watch = setInterval(() => {
      if (!this.#hasCancelled()) {
        this.#stopWatch();
        return;
      }
      const now = Atomics.load(this.#pulse, 0);
      silentMs = now === beats ? silentMs + watchEveryMs : 0;
      beats = now;
      if (silentMs === 0) this.#ping();
      const atWork = this.running.get(Atomics.load(this.#pulse, 1));
      const boundMs = atWork && isCancelled(atWork) ? unresponsiveMsMax : silentMsMax;
      if (silentMs >= boundMs) this.#condemn();
    }, watchEveryMs);
    this.#watch.unref();
  }

  #hasCancelled(): boolean {
    for (const job of this.running.values()) if (isCancelled(job)) return true;
    return false;
  }

  /** Makes a thread that waits, rather than computes, give a sign of life. */
  #ping(): void {
    this.#thread?.postMessage(ping);
  }

  #condemn(): void {
    this.#stopWatch();
    this.#isCondemned = true;
    const suspects = Array.from(this.running.values()).filter(isCancelled);
    this.#options.onUnresponsive(suspects.map(({ name }) => name));
    void this.#thread?.terminate();
  }

  #stopWatch(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWatch();
    clearTimeout(this.#respawn);
    await this.#thread?.terminate();
  }

  #start(): void {
    this.#hasStarted = true;
    const thread = new Worker(this.#options.entry, {
      workerData: this.#options.start,
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
      job.input = undefined;
      settle(job);
      if (answer.ok) job.resolve(answer.output);
      else job.reject(errorFromWire(answer.failure));
    }
    this.#options.onFree(this);
  }

  #ended(why: unknown): void {
    this.#thread = undefined;
    this.#stopWatch();
    this.#pulse = newPulse();
    const isCondemned = this.#isCondemned && !this.#isClosed;
    this.#isCondemned = false;
    // It had started: its end says nothing of the next one.
    if (!isCondemned) this.failedStarts++;
    const reason = typeof why === 'object' && why !== null && 'message' in why ? why.message : why;
    // A thread that could not start lacks descriptors or memory, for now.
    const code = hasCode(why, 'ERR_WORKER_INIT_FAILED') ? 'unavailable' : 'internal';
    const error = new LokiError(code, `worker thread ended: ${String(reason)}`, { cause: why });
    const repeated: Job[] = [];
    for (const job of this.running.values()) {
      if (isCondemned && !isCancelled(job) && job.isRepeatable && job.attempts < attemptsMax) {
        repeated.push(job);
        continue;
      }
      settle(job);
      job.reject(isCondemned ? replacedError() : error);
    }
    this.running.clear();
    if (this.#isClosed) return;
    const delayMs = isCondemned ? 0 : Math.min(respawnFirstMs * 2 ** (this.failedStarts - 1), respawnMostMs);
    this.#respawn = setTimeout(() => {
      this.#start();
      this.#options.onFree(this);
    }, delayMs);
    this.#options.onDown(this);
    for (const job of repeated) this.#options.onRepeat(job);
  }
}

/** How often an awaited thread is looked at. */
const watchEveryMs = 250;

function newPulse(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

function isCancelled({ cancelled }: Job): boolean {
  return cancelled !== undefined && Atomics.load(cancelled, 0) !== 0;
}

function replacedError(): LokiError {
  return new LokiError(
    'unavailable',
    'the worker thread was replaced: another task on it could not be stopped',
  );
}

/** Stops listening for the caller's abort: long-lived signals must not collect listeners. */
export function settle(job: Job): void {
  job.signal?.removeEventListener('abort', job.onAbort);
}
