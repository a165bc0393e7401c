/** One thread of the worker pool: starts, feeds, watches and replaces it. */
import { Worker } from 'node:worker_threads';
import type { ResourceLimits } from 'node:worker_threads';
import { LokiError, hasCode } from '@loki/model';
import { isCancelled, replacedError, settle } from './pool-job.ts';
import type { Job } from './pool-job.ts';
import { errorFromWire, movable, ping } from './worker-protocol.ts';
import type { TaskAnswer, TaskCall, ThreadReport, WorkerStart } from './worker-protocol.ts';

interface PoolWorkerOptions {
  readonly entry: URL;
  readonly start: WorkerStart;
  readonly resourceLimits: ResourceLimits | undefined;
  /** A thread without a job for this long is ended, until the next job comes. Undefined: the thread stays. */
  readonly idleMs: number | undefined;
  /** A task has ended, so the thread can take another. */
  readonly onFree: (worker: PoolWorker) => void;
  /** The thread has ended and will restart; waiting jobs should go to others. */
  readonly onDown: (worker: PoolWorker) => void;
  /** The thread was ended because of another job; this job should run on another thread. */
  readonly onRepeat: (job: Job) => void;
  readonly onReport: (content: unknown) => void;
  /** The thread is ended, because its `tasks` ignore their cancellation. */
  readonly onUnresponsive: (tasks: readonly string[]) => void;
}

/** Pauses between restarts of a thread that keeps ending; they double from the first to the last. */
const respawnFirstMs = 50;
const respawnMostMs = 5_000;

/** A thread is ended when its cancelled job shows no sign of life for this time. */
const unresponsiveMsMax = 2_000;
/**
 * The same bound while a thread starts or runs a job that was not cancelled, and a cancelled job waits.
 * Merges of the largest segments take seconds without a sign of life, but less than this.
 */
const silentMsMax = 30_000;
/** Most attempts of a job: after two ended threads the job itself is suspect. */
const attemptsMax = 3;

/**
 * One thread, with the jobs it runs and those that wait for it. The first job starts the thread, because a
 * thread takes 25 MiB and 0.1 s of CPU. It is restarted whenever it ends; a thread that ended for want of
 * work restarts with its next job.
 */
export class PoolWorker {
  readonly queue: Job[] = [];
  readonly running = new Map<number, Job>();
  /** Consecutive starts after which the thread ended without an answer. */
  failedStarts = 0;
  readonly #options: PoolWorkerOptions;
  #thread: Worker | undefined;
  #hasStarted = false;
  #respawn: NodeJS.Timeout | undefined;
  #rest: NodeJS.Timeout | undefined;
  /** Shared with the thread: see `TaskCall.pulse`. */
  #pulse = newPulse();
  #watch: NodeJS.Timeout | undefined;
  /** The thread is being ended, because it is unresponsive. */
  #isCondemned = false;
  #isClosed = false;

  constructor(options: PoolWorkerOptions) {
    this.#options = options;
  }

  /** Whether all its jobs, if any, are urgent: none occupies the thread for long. */
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

  /** Whether it takes jobs: the thread runs, or starts with the first job. */
  get isUp(): boolean {
    return this.#thread !== undefined || !this.#hasStarted;
  }

  /** Whether the thread runs, or starts. */
  get hasThread(): boolean {
    return this.#thread !== undefined;
  }

  /** Starts the thread before the first job; `preloads`: a task whose code it loads at once. */
  start(preloads?: string): void {
    if (!this.#hasStarted) this.#start(preloads);
  }

  /** Sends `job` to the thread. If its input cannot be cloned, only this job is rejected. */
  give(job: Job): void {
    const { id, name, input, cancelled } = job;
    this.start();
    clearTimeout(this.#rest);
    const call: TaskCall = { id, name, input, cancelled, pulse: this.#pulse };
    try {
      const transferList = movable(job.transfer?.(input as never));
      this.#thread!.postMessage(call, transferList);
      job.isRepeatable = transferList.length === 0;
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
   * Call it after the cancellation of a running job. If the thread neither answers nor shows by its pulse
   * that it does something else, it is ended and replaced.
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

  /** Asks for a sign of life: a thread that waits answers, one that computes cannot. */
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
    clearTimeout(this.#rest);
    await this.#thread?.terminate();
  }

  #start(preloads = this.#options.start.preloads): void {
    this.#hasStarted = true;
    const thread = new Worker(this.#options.entry, {
      workerData: { ...this.#options.start, preloads } satisfies WorkerStart,
      resourceLimits: this.#options.resourceLimits,
    });
    thread.unref();
    let crash: unknown;
    thread.on('message', (message: TaskAnswer | ThreadReport) => {
      if ('report' in message) this.#options.onReport(message.report);
      else this.#finish(message);
    });
    thread.on('messageerror', (error) => {
      // The answer is lost, and its job is unknown: only a new thread is in a known state.
      crash = error;
      void thread.terminate();
    });
    thread.on('error', (error) => (crash = error));
    thread.on('exit', (code) => {
      if (this.#thread === thread) this.#onThreadEnd(crash ?? `exit code ${code}`);
    });
    this.#thread = thread;
    this.#restAfterIdleness(thread);
  }

  /** An idle thread waits its whole idle time again before it ends. */
  postponeRest(): void {
    this.#rest?.refresh();
  }

  /** Ends the thread, and gives its memory back, unless a job comes first. */
  #restAfterIdleness(thread: Worker | undefined): void {
    const { idleMs } = this.#options;
    clearTimeout(this.#rest);
    if (idleMs === undefined || !thread || this.load > 0) return;
    this.#rest = setTimeout(() => {
      if (this.#thread !== thread || this.load > 0) return;
      this.#stopWatch();
      this.#pulse = newPulse();
      this.#thread = undefined;
      this.#hasStarted = false;
      void thread.terminate();
    }, idleMs);
    this.#rest.unref();
  }

  #finish(answer: TaskAnswer): void {
    this.failedStarts = 0;
    const job = this.running.get(answer.id);
    this.running.delete(answer.id);
    if (this.running.size === 0) {
      this.#thread?.unref();
      this.#restAfterIdleness(this.#thread);
    }
    if (job) {
      job.input = undefined;
      settle(job);
      if (answer.ok) job.resolve(answer.output);
      else job.reject(errorFromWire(answer.failure));
    }
    this.#options.onFree(this);
  }

  #onThreadEnd(cause: unknown): void {
    this.#thread = undefined;
    this.#stopWatch();
    this.#pulse = newPulse();
    const isCondemned = this.#isCondemned && !this.#isClosed;
    this.#isCondemned = false;
    // The thread had started, so the next one probably starts too.
    if (!isCondemned) this.failedStarts++;
    const reason = typeof cause === 'object' && cause !== null && 'message' in cause ? cause.message : cause;
    // A thread that cannot start lacks descriptors or memory at the moment.
    const code = hasCode(cause, 'ERR_WORKER_INIT_FAILED') ? 'unavailable' : 'internal';
    const error = new LokiError(code, `worker thread ended: ${String(reason)}`, { cause });
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

/** Interval of checks while an answer is expected. */
const watchEveryMs = 250;

function newPulse(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}
