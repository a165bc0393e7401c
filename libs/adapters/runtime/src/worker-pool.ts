import type { ResourceLimits } from 'node:worker_threads';
import { LokiError } from '@loki/model';
import type { Task, TaskOptions, Workers } from '@loki/ports';
import { PoolWorker, settle } from './pool-worker.ts';
import type { Job } from './pool-worker.ts';
import type { WorkerStart } from './worker-protocol.ts';

export interface WorkerPoolOptions {
  /** The script that calls `serveTasks`; a `.ts` file runs as it is. */
  readonly entry: URL;
  /** Handed to the script's environment factory; must be structured-cloneable. */
  readonly workerData?: unknown;
  /** Threads. */
  readonly size: number;
  /**
   * Tasks that may wait, over all workers; one more is refused with `overloaded`. Default 256 for each
   * thread.
   */
  readonly tasksQueuedMax?: number;
  /**
   * Tasks one thread has at a time: more than one, so that it computes while another waits for a fetch.
   * Default 4.
   */
  readonly tasksPerWorkerMax?: number;
  /**
   * How many more tasks than the least busy worker the preferred one may have before it is passed over.
   * Default 4.
   */
  readonly affinitySlackMax?: number;
  /** `workerData` of the thread that urgent tasks have for themselves. Default: that of the others. */
  readonly urgentWorkerData?: unknown;
  readonly resourceLimits?: ResourceLimits;
  /** Told of each thread that is ended because `tasks` ignore their cancellation. */
  readonly onUnresponsive?: (tasks: readonly string[]) => void;
}

/** A tenant with long scans may come to have one of them, when others had the common ones for a moment. */
const expressMax = 2;

/** A task on a thread that has just started takes less. */
const expressAfterMs = 250;

/**
 * Nice values. Where threads outnumber cores the kernel gives the main thread, at 0, three times the time of
 * a scan and six times that of a large body: pushes and health checks are its, and each of its turns is
 * short. Urgent and express threads exist so that nobody waits for scans.
 */
const nice = { common: 5, urgent: 1, express: 1, bodies: 8 } as const;

/** Urgent tasks that may wait for their own thread before others of them go to the common ones. */
const urgentLoadMax = 16;

/**
 * Threads that never start make waiting pointless: after this many attempts in a row, on every thread, tasks
 * fail.
 */
const failedStartsMax = 3;

/**
 * Threads that run tasks.
 *
 * A task goes to the worker that its affinity names, unless that one has `affinitySlackMax` more to do than
 * the least busy; a worker with nothing to do takes from the longest queue. An aborted task leaves the queue,
 * or, when it runs already, is told to stop: its next `checkCancelled` throws. A thread that ends rejects
 * what it was running with `internal`, and is started again, ever more slowly when it keeps ending. A thread
 * that ignores a cancellation for two seconds is ended and replaced; the other jobs that it had run again on
 * other threads.
 *
 * A tenant whose scans would wait for those of others alone has an express thread, shared with its like. The
 * first of them starts soon after the first task of any tenant, and loads that task's code: starting takes
 * seconds on a machine that scans already.
 *
 * A scan holds its thread for as long as it computes. Urgent tasks have a thread of their own, started when
 * the first of them finds a scan on each of the common ones. Large bodies have one too, which they alone use:
 * decoding takes seconds, and neither queries nor records of other tenants are to wait for it.
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
    this.#workers = Array.from({ length: options.size }, () =>
      this.#newWorker({ data: options.workerData, nice: nice.common }),
    );
  }

  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output> {
    return new Promise<Output>((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) throw signal.reason;
      if (this.#isClosed) throw closedError();
      if (options?.tenant !== undefined) this.#expectOthers(task.name);
      const worker = this.#workerFor(task.name, options);
      const hasRoom = worker.isUp && worker.running.size < this.#tasksPerWorkerMax;
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
      }
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#rejectQueued(closedError());
    await Promise.all(this.#all().map((worker) => worker.close()));
  }

  #newWorker(start: WorkerStart): PoolWorker {
    const { entry, resourceLimits } = this.#options;
    return new PoolWorker({
      entry,
      start,
      resourceLimits,
      onFree: (worker) => this.#feed(worker),
      onDown: (worker) => this.#leave(worker),
      onRepeat: (job) => this.#repeat(job),
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
      return (this.#bodies ??= this.#newLane(nice.bodies));
    }
    if (options?.isUrgent) return this.#chooseUrgent();
    return this.#chooseFor(name, options?.tenant, options?.affinity);
  }

  /**
   * The preferred worker, unless jobs of other tenants are there: then one without such jobs, and where there
   * is none, a thread for tenants that have none of the common ones. Scans take seconds, and a tenant that
   * sends many of them has every thread.
   */
  #chooseFor(name: string, tenant: string | undefined, affinity: number | undefined): PoolWorker {
    const preferred = this.#choose(affinity);
    if (tenant === undefined || !preferred.worksForOthers(tenant)) return preferred;
    let own: PoolWorker | undefined;
    for (const worker of this.#workers) {
      if (!worker.isUp || worker.worksForOthers(tenant)) continue;
      if (!own || worker.load < own.load) own = worker;
    }
    if (own) return own;
    if (this.#workers.some((worker) => worker.worksFor(tenant))) return preferred;
    const free = this.#express.find((worker) => worker.isUp && !worker.worksForOthers(tenant));
    if (free) return free;
    if (this.#express.length >= expressMax) {
      return this.#express.reduce((a, b) => (weight(b) < weight(a) ? b : a));
    }
    return this.#newExpress(name);
  }

  /**
   * Has an express thread ready for the next tenant, soon after the first task of any tenant: the thread of
   * that task starts alone, and no client waits for two threads that start.
   */
  #expectOthers(name: string): void {
    if (this.#isExpressExpected) return;
    this.#isExpressExpected = true;
    const start = () => {
      if (!this.#isClosed && this.#express.length === 0) this.#newExpress(name).start();
    };
    setTimeout(start, expressAfterMs).unref();
  }

  #newExpress(name: string): PoolWorker {
    const express = this.#newLane(nice.express, name);
    this.#express.push(express);
    return express;
  }

  /** A thread that takes no common tasks. */
  #newLane(niceValue: number, preloads?: string): PoolWorker {
    const { urgentWorkerData, workerData } = this.#options;
    return this.#newWorker({ data: urgentWorkerData ?? workerData, nice: niceValue, preloads });
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
   * A common thread without a scan: no more threads than cores compute then. Else the urgent thread; a scan
   * is waited for only when many urgent tasks wait.
   */
  #chooseUrgent(): PoolWorker {
    let open: PoolWorker | undefined;
    for (const worker of this.#workers) {
      if (!worker.isUp || !worker.isAllUrgent) continue;
      if (!open || worker.load < open.load) open = worker;
    }
    if (open && open.load < urgentLoadMax) return open;
    const urgent = (this.#urgent ??= this.#newLane(nice.urgent));
    return urgent.isUp && urgent.load < urgentLoadMax ? urgent : this.#choose(undefined);
  }

  /**
   * Gives `worker` waiting jobs while it has room: its own first, then, when it would idle, those of another.
   */
  #feed(worker: PoolWorker): void {
    while (worker.isUp && worker.running.size < this.#tasksPerWorkerMax) {
      const isIdle = worker.queue.length === 0 && worker.running.size === 0;
      // The other threads take no scan: their next task would wait for it.
      const isCommon = this.#workers.includes(worker);
      const queue = isIdle && isCommon ? this.#longestQueue() : worker.queue;
      const job = queue.shift();
      if (!job) return;
      this.#queued--;
      worker.give(job);
    }
  }

  /** Urgent tasks that wait come first. */
  #longestQueue(): Job[] {
    if (this.#urgent && this.#urgent.queue.length > 0) return this.#urgent.queue;
    let longest = this.#workers[0].queue;
    for (const { queue } of this.#workers) if (queue.length > longest.length) longest = queue;
    return longest;
  }

  /** Jobs that waited for a thread that ended go to the others. */
  #leave(worker: PoolWorker): void {
    if (this.#workers.every((each) => !each.isUp && each.failedStarts >= failedStartsMax)) {
      this.#rejectQueued(new LokiError('unavailable', 'no worker thread starts'));
      return;
    }
    for (const other of this.#workers) if (other !== worker) this.#feed(other);
  }

  /** Beyond the bound of what may wait: the job was let in once. */
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

  /**
   * The caller no longer waits. A running job stays counted until the worker answers, for it is still at it.
   */
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

/** Load as it counts for choosing: a worker that is down comes last. */
function weight(worker: PoolWorker): number {
  return worker.isUp ? worker.load : Number.MAX_SAFE_INTEGER;
}

function closedError(): LokiError {
  return new LokiError('unavailable', 'worker pool is closed');
}
