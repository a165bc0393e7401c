/** The port Workers on threads: chooses a thread for each task. */
import type { ResourceLimits } from 'node:worker_threads';
import { LokiError } from '@loki/model';
import type { Task, TaskOptions, Workers } from '@loki/ports';
import { settle } from './pool-job.ts';
import type { Job } from './pool-job.ts';
import { PoolWorker } from './pool-worker.ts';
import type { WorkerStart } from './worker-protocol.ts';

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
  /** Threads for urgent tasks and for bodies are ended after this long without a task. Default 30 s. */
  readonly laneIdleMs?: number;
  /** Takes values that threads send by the `report` of their environment's factory. */
  readonly onReport?: (content: unknown) => void;
  /** Called for each thread that is ended because `tasks` ignore their cancellation. */
  readonly onUnresponsive?: (tasks: readonly string[]) => void;
}

/**
 * Most express threads. Two, because a tenant with long scans may occupy one after others had the common
 * threads for a moment.
 */
const expressMax = 2;

/** Common threads that all have scans for this long: the first express thread starts. */
const expressAfterMs = 250;

/**
 * Nice values. When threads outnumber cores, the kernel gives the main thread (nice 0) three times the CPU of
 * a scan and six times that of a large body: it handles pushes and health checks in short turns. Urgent and
 * express threads exist so that their tasks do not wait for scans.
 */
const nice = { common: 5, urgent: 1, express: 1, bodies: 8 } as const;

/** A task waits this long for a thread that has started, before it starts another: most tasks take less. */
const nextThreadAfterMs = 25;

/** Bursts of large bodies are seconds apart, or minutes. */
const laneIdleMsDefault = 30_000;

/** Most urgent tasks that wait for the urgent thread; further ones go to common threads. */
const urgentLoadMax = 16;

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
 * such tenants. The first express thread starts once every common thread has scans for a quarter of a second,
 * and loads the code of a scan: a start takes seconds on a busy machine. Shorter scans start none: a thread
 * takes 0.1 s of CPU and 15 MiB.
 *
 * A scan occupies its thread while it computes. Urgent tasks have a thread of their own, which starts when an
 * urgent task finds a scan on every common thread. Large bodies have one too: decoding them takes seconds,
 * and neither queries nor records of other tenants should wait for it.
 */
export class WorkerPool implements Workers {
  readonly parallelism: number;
  readonly #workers: PoolWorker[];
  readonly #options: WorkerPoolOptions;
  #urgent: PoolWorker | undefined;
  #bodies: PoolWorker | undefined;
  readonly #express: PoolWorker[] = [];
  #isExpressExpected = false;
  readonly #tasksQueuedMax: number;
  readonly #tasksPerWorkerMax: number;
  readonly #affinitySlackMax: number;
  readonly #laneIdleMs: number;
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
    this.#affinitySlackMax = options.affinitySlackMax ?? 4;
    this.#laneIdleMs = options.laneIdleMs ?? laneIdleMsDefault;
    this.#workers = Array.from({ length: options.size }, () =>
      this.#newWorker({ data: options.workerData, nice: nice.common }, undefined),
    );
  }

  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output> {
    return new Promise<Output>((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) throw signal.reason;
      if (this.#isClosed) throw closedError();
      if (options?.tenant !== undefined) this.#expectOthers(task.name);
      const worker = this.#workerFor(task.name, options);
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
        // An idle thread takes it at once.
        for (const other of this.#workers) if (other.hasThread) this.#feed(other);
      }
    });
  }

  /** Whether another common thread may be free before the one of `worker` has started. */
  #mayDoWithout(worker: PoolWorker): boolean {
    if (worker.hasThread || this.#queued >= this.#tasksQueuedMax) return false;
    return this.#workers.includes(worker) && this.#workers.some(({ hasThread }) => hasThread);
  }

  #startLater(worker: PoolWorker): void {
    setTimeout(() => {
      if (!this.#isClosed) this.#feed(worker);
    }, nextThreadAfterMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#rejectQueued(closedError());
    await Promise.all(this.#all().map((worker) => worker.close()));
  }

  /**
   * Common threads stay: they have the blocks that queries have decoded. So do express threads, which are
   * there before they are needed.
   */
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

  #all(): PoolWorker[] {
    return [...this.#workers, ...this.#express, this.#urgent, this.#bodies].filter(
      (worker) => worker !== undefined,
    );
  }

  #workerFor(
    name: string,
    options?: {
      affinity?: number;
      isUrgent?: boolean;
      lane?: 'bodies';
      tenant?: string;
    },
  ): PoolWorker {
    if (options?.lane === 'bodies') {
      return (this.#bodies ??= this.#newLane(nice.bodies, this.#laneIdleMs));
    }
    if (options?.isUrgent) return this.#chooseUrgent();
    return this.#chooseFor(name, options?.tenant, options?.affinity);
  }

  /**
   * The preferred worker, unless it has jobs of other tenants: then one without such jobs, or else an express
   * thread. Scans take seconds, and a tenant that sends many of them occupies every common thread.
   */
  #chooseFor(name: string, tenant: string | undefined, affinity: number | undefined): PoolWorker {
    const preferred = this.#choose(affinity);
    if (tenant === undefined || !preferred.worksForOthers(tenant)) return preferred;
    let unshared: PoolWorker | undefined;
    for (const worker of this.#workers) {
      if (!worker.isUp || worker.worksForOthers(tenant)) continue;
      if (!unshared || worker.load < unshared.load) unshared = worker;
    }
    if (unshared) return unshared;
    if (this.#workers.some((worker) => worker.worksFor(tenant))) return preferred;
    const free = this.#express.find((worker) => worker.isUp && !worker.worksForOthers(tenant));
    if (free) return free;
    if (this.#express.length >= expressMax) {
      return this.#express.reduce((a, b) => (weight(b) < weight(a) ? b : a));
    }
    return this.#newExpress(name);
  }

  /**
   * Has an express thread ready for the next tenant, when the scans of a tenant occupy all common threads.
   */
  #expectOthers(name: string): void {
    if (this.#isExpressExpected || this.#express.length > 0) return;
    this.#isExpressExpected = true;
    const start = () => {
      // The next task looks again.
      this.#isExpressExpected = false;
      if (this.#isClosed || this.#express.length > 0) return;
      if (this.#workers.every(({ isAllUrgent }) => !isAllUrgent)) this.#newExpress(name).start();
    };
    setTimeout(start, expressAfterMs).unref();
  }

  #newExpress(name: string): PoolWorker {
    const express = this.#newLane(nice.express, undefined, name);
    this.#express.push(express);
    return express;
  }

  /** Creates a thread that takes no common tasks. */
  #newLane(niceValue: number, idleMs?: number, preloads?: string): PoolWorker {
    const { urgentWorkerData, workerData } = this.#options;
    return this.#newWorker({ data: urgentWorkerData ?? workerData, nice: niceValue, preloads }, idleMs);
  }

  /** The preferred worker, unless it is down or much busier than the least busy one. */
  #choose(affinity: number | undefined): PoolWorker {
    let least = this.#workers[0];
    for (const worker of this.#workers) if (weight(worker) < weight(least)) least = worker;
    if (affinity === undefined) return least;
    const count = this.#workers.length;
    const preferred = this.#workers[((Math.trunc(affinity) % count) + count) % count];
    return weight(preferred) - weight(least) < this.#affinitySlackMax ? preferred : least;
  }

  /**
   * A common thread without a scan, so that no more threads than cores compute; else the urgent thread. Only
   * when many urgent tasks wait, a thread with a scan is chosen.
   */
  #chooseUrgent(): PoolWorker {
    let open: PoolWorker | undefined;
    for (const worker of this.#workers) {
      if (!worker.isUp || !worker.isAllUrgent) continue;
      if (!open || worker.load < open.load) open = worker;
    }
    if (open && open.load < urgentLoadMax) return open;
    const urgent = (this.#urgent ??= this.#newLane(nice.urgent, this.#laneIdleMs));
    return urgent.isUp && urgent.load < urgentLoadMax ? urgent : this.#choose(undefined);
  }

  /**
   * Gives waiting jobs to `worker` while it has room: its own first, then, if it would be idle, those of
   * another worker.
   */
  #feed(worker: PoolWorker): void {
    while (worker.isUp && worker.running.size < this.#tasksPerWorkerMax) {
      const isIdle = worker.queue.length === 0 && worker.running.size === 0;
      // Other threads take no scan, because their next task would wait for it.
      const isCommon = this.#workers.includes(worker);
      const queue = isIdle && isCommon ? this.#longestQueue() : worker.queue;
      const job = queue.shift();
      if (!job) return;
      this.#queued--;
      worker.give(job);
    }
  }

  /** The longest queue; waiting urgent tasks come first. */
  #longestQueue(): Job[] {
    if (this.#urgent && this.#urgent.queue.length > 0) return this.#urgent.queue;
    let longest = this.#workers[0].queue;
    for (const { queue } of this.#workers) if (queue.length > longest.length) longest = queue;
    return longest;
  }

  /** Moves jobs that wait for an ended thread to other threads. */
  #leave(worker: PoolWorker): void {
    if (this.#workers.every((each) => !each.isUp && each.failedStarts >= failedStartsMax)) {
      this.#rejectQueued(new LokiError('unavailable', 'no worker thread starts'));
      return;
    }
    for (const other of this.#workers) if (other !== worker) this.#feed(other);
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
    const worker = this.#choose(undefined);
    worker.queue.unshift(job);
    this.#queued++;
    this.#feed(worker);
  }

  /** The caller has given up. A running job counts until the worker answers, because it still runs. */
  #abandon(job: Job): void {
    Atomics.store(job.cancelled!, 0, 1);
    job.reject(job.signal!.reason);
    for (const worker of this.#all()) {
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
    for (const { queue } of this.#all()) {
      for (const job of queue) {
        settle(job);
        job.reject(error);
      }
      queue.length = 0;
    }
    this.#queued = 0;
  }
}

/** The load of a worker for the choice; a worker that is down comes last. */
function weight(worker: PoolWorker): number {
  return worker.isUp ? worker.load : Number.MAX_SAFE_INTEGER;
}

function closedError(): LokiError {
  return new LokiError('unavailable', 'worker pool is closed');
}
