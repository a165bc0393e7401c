/** The port Workers on threads: tasks from their call to their answer. */
import { LokiError } from '@loki/model';
import type { Task, TaskOptions, Workers } from '@loki/ports';
import { settle } from './pool-job.ts';
import type { Job } from './pool-job.ts';
import { PoolThreads } from './pool-threads.ts';
import { PoolWorker } from './pool-worker.ts';
import type { WorkerPoolOptions } from './worker-pool-options.ts';
import type { WorkerStart } from './worker-protocol.ts';

/**
 * A task waits this long for a thread that has started, before it starts another. The start costs 0.1 s of
 * CPU, and the new thread optimises the same code again: a first scan of 0.3 s takes 0.55 with two threads.
 */
const nextThreadAfterMs = 250;
/** The wait beside many waiting tasks, as those of a dashboard. */
const nextThreadSoonMs = 100;

/** After this many failed starts in a row on every thread, waiting tasks fail. */
const failedStartsMax = 3;

/**
 * A pool of threads that run tasks.
 *
 * A task goes to the worker that its affinity names, unless that worker has `affinitySlackMax` more tasks
 * than the least busy one; an idle worker takes tasks from the longest queue. An aborted task leaves the
 * queue; if it runs already, its next `checkCancelled` throws. When a thread ends, its running tasks fail
 * with `internal`; it is restarted, with growing pauses if it keeps ending. A thread that ignores a
 * cancellation for two seconds is ended and replaced; the other jobs that it had run again on other threads.
 *
 * A tenant whose scans would all wait for scans of other tenants uses an express thread, which it shares with
 * such tenants. Where tasks of several tenants have come, the first express thread starts once every common
 * thread has scans for a quarter of a second, and loads the code of a scan: a start takes seconds on a busy
 * machine. Shorter scans and a single tenant start none: a thread takes 0.1 s of CPU and 15 MiB.
 *
 * A scan occupies its thread while it computes. Urgent tasks have a thread of their own, which starts when an
 * urgent task finds a scan on every common thread. Beside the first urgent tasks a second common thread
 * starts: pushes would wait for its start when the first flush begins. Large bodies have a thread too:
 * decoding them takes seconds, and neither queries nor records of other tenants should wait for it.
 */
export class WorkerPool implements Workers {
  readonly parallelism: number;
  readonly #threads: PoolThreads;
  readonly #options: WorkerPoolOptions;
  readonly #tasksQueuedMax: number;
  readonly #tasksPerWorkerMax: number;
  #nextId = 1;
  #queued = 0;
  #isClosed = false;

  constructor(options: WorkerPoolOptions) {
    if (!Number.isInteger(options.size) || options.size < 1) {
      throw new RangeError('a pool has at least one worker');
    }
    this.#options = options;
    this.parallelism = options.size;
    this.#tasksQueuedMax = options.tasksQueuedMax ?? 256 * options.size;
    this.#tasksPerWorkerMax = options.tasksPerWorkerMax ?? 4;
    this.#threads = new PoolThreads(options, (start, idleMs) => this.#newWorker(start, idleMs));
  }

  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output> {
    return new Promise<Output>((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) throw signal.reason;
      if (this.#isClosed) throw closedError();
      if (options?.tenant !== undefined) this.#threads.expectOthers(task.name, options.tenant);
      if (options?.isUrgent) this.#threads.expectLongTasks(task.name);
      const worker = this.#threads.workerFor(task.name, options);
      const isDeferred = !options?.isUrgent && this.#mayDoWithout(worker);
      const hasRoom = !isDeferred && worker.isUp && worker.running.size < this.#tasksPerWorkerMax;
      if (!hasRoom && this.#queued >= this.#tasksQueuedMax) {
        throw new LokiError('overloaded', `too many tasks wait for a worker: ${this.#queued}`);
      }
      const job: Job = {
        id: this.#nextId++,
        name: task.name,
        tenant: options?.tenant,
        isUrgent: options?.isUrgent ?? false,
        input,
        isRepeatable: true,
        attempts: 0,
        transfer: task.transfer?.bind(task),
        resolve: resolve as (output: unknown) => void,
        reject,
        signal,
        cancelled: signal && new Int32Array(new SharedArrayBuffer(4)),
        onAbort: () => this.#abandon(job),
      };
      signal?.addEventListener('abort', job.onAbort, { once: true });
      if (hasRoom) {
        worker.give(job);
      } else {
        worker.queue.push(job);
        this.#queued++;
        if (isDeferred) this.#startLater(worker);
        // An idle thread starts the task at once.
        for (const other of this.#threads.common) if (other.hasThread) this.#feed(other);
      }
    });
  }

  /** Whether another common thread may be free before the one of `worker` has started. */
  #mayDoWithout(worker: PoolWorker): boolean {
    if (worker.hasThread || this.#queued >= this.#tasksQueuedMax) return false;
    return this.#threads.common.includes(worker) && this.#threads.common.some(({ hasThread }) => hasThread);
  }

  #startLater(worker: PoolWorker): void {
    const startNow = () => {
      if (!this.#isClosed) this.#feed(worker);
    };
    setTimeout(() => {
      if (this.#queued > 2 * this.#tasksPerWorkerMax) startNow();
      else setTimeout(startNow, nextThreadAfterMs - nextThreadSoonMs);
    }, nextThreadSoonMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#threads.close();
    this.#rejectQueued(closedError());
    await Promise.all(this.#threads.all().map((worker) => worker.close()));
  }

  #newWorker(start: WorkerStart, idleMs: number | undefined): PoolWorker {
    const { entry, resourceLimits } = this.#options;
    return new PoolWorker({
      entry,
      start,
      resourceLimits,
      idleMs,
      onFree: (worker) => this.#feed(worker),
      onDown: (worker) => this.#leave(worker),
      onRepeat: (job) => this.#repeat(job),
      onReport: (content) => this.#options.onReport?.(content),
      onUnresponsive: (tasks) => this.#options.onUnresponsive?.(tasks),
    });
  }

  /**
   * Gives waiting jobs to `worker` while it has room: its own first, then, if it would be idle, those of
   * another worker.
   */
  #feed(worker: PoolWorker): void {
    while (worker.isUp && worker.running.size < this.#tasksPerWorkerMax) {
      const isIdle = worker.queue.length === 0 && worker.running.size === 0;
      // Other threads take no scan, because their next task would wait for it.
      const isCommon = this.#threads.common.includes(worker);
      const queue = isIdle && isCommon ? this.#threads.longestQueue() : worker.queue;
      const job = queue.shift();
      if (!job) return;
      this.#queued--;
      worker.give(job);
    }
  }

  /** Moves jobs that wait for an ended thread to other threads. */
  #leave(worker: PoolWorker): void {
    if (this.#threads.common.every((each) => !each.isUp && each.failedStarts >= failedStartsMax)) {
      this.#rejectQueued(new LokiError('unavailable', 'no worker thread starts'));
      return;
    }
    for (const other of this.#threads.common) if (other !== worker) this.#feed(other);
  }

  /**
   * Repeats a job on another thread. It may exceed the bound of waiting jobs, because it was admitted before.
   */
  #repeat(job: Job): void {
    if (this.#isClosed) {
      settle(job);
      job.reject(closedError());
      return;
    }
    const worker = this.#threads.choose(undefined);
    worker.queue.unshift(job);
    this.#queued++;
    this.#feed(worker);
  }

  /** The caller has given up. A running job counts until the worker answers, because it still runs. */
  #abandon(job: Job): void {
    Atomics.store(job.cancelled!, 0, 1);
    job.reject(job.signal!.reason);
    for (const worker of this.#threads.all()) {
      if (worker.running.has(job.id)) {
        worker.expectAnswer();
        return;
      }
      const { queue } = worker;
      const at = queue.indexOf(job);
      if (at < 0) continue;
      queue.splice(at, 1);
      this.#queued--;
      return;
    }
  }

  #rejectQueued(error: LokiError): void {
    for (const { queue } of this.#threads.all()) {
      for (const job of queue) {
        settle(job);
        job.reject(error);
      }
      queue.length = 0;
    }
    this.#queued = 0;
  }
}

function closedError(): LokiError {
  return new LokiError('unavailable', 'worker pool is closed');
}
