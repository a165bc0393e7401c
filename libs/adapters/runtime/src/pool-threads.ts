/** The threads of a worker pool, and which of them takes a task. */
import type { Job } from './pool-job.ts';
import type { PoolWorker } from './pool-worker.ts';
import type { WorkerPoolOptions } from './worker-pool-options.ts';
import type { WorkerStart } from './worker-protocol.ts';

/**
 * Most express threads. Two, because a tenant with long scans may occupy one after others had the common
 * threads for a moment.
 */
const expressMax = 2;

/** Common threads that all have scans for this long: the first express thread starts. */
const expressAfterMs = 250;

/**
 * Urgent tasks come for this long: the second common thread starts. Not at once: it would delay the first.
 */
const secondAfterMs = 250;

/**
 * Nice values. When threads outnumber cores, the kernel gives the main thread (nice 0) three times the CPU of
 * a scan and six times that of a large body: it handles pushes and health checks in short turns. Urgent and
 * express threads exist so that their tasks do not wait for scans.
 */
const nice = { common: 5, urgent: 1, express: 1, bodies: 8 } as const;

/** Bursts of large bodies are seconds apart, or minutes. */
const laneIdleMsDefault = 30_000;

/** Most urgent tasks that wait for the urgent thread; further ones go to common threads. */
const urgentLoadMax = 16;

/** Starts a thread; `idleMs`: it ends after this time without a task, undefined: it stays. */
type NewWorker = (start: WorkerStart, idleMs: number | undefined) => PoolWorker;

/**
 * Common threads, and those for tasks that must not wait for scans: urgent tasks, large bodies, and tenants
 * whose scans would wait for scans of other tenants (express threads).
 */
export class PoolThreads {
  readonly #common: PoolWorker[];
  readonly #options: WorkerPoolOptions;
  readonly #newWorker: NewWorker;
  readonly #affinitySlackMax: number;
  readonly #commonIdleMs: number | undefined;
  readonly #laneIdleMs: number;
  #urgent: PoolWorker | undefined;
  #bodies: PoolWorker | undefined;
  readonly #express: PoolWorker[] = [];
  /** The tenant of the first task that had one. */
  #firstTenant: string | undefined;
  #hasSeveralTenants = false;
  #isExpressExpected = false;
  #isSecondExpected = false;
  #isClosed = false;

  constructor(options: WorkerPoolOptions, newWorker: NewWorker) {
    this.#options = options;
    this.#newWorker = newWorker;
    this.#affinitySlackMax = options.affinitySlackMax ?? 4;
    this.#laneIdleMs = options.laneIdleMs ?? laneIdleMsDefault;
    this.#commonIdleMs = options.commonIdleMs || undefined;
    // The first thread stays: the next query would wait for its start, and compile its code again.
    this.#common = Array.from({ length: options.size }, (_, each) =>
      newWorker({ data: options.workerData, nice: nice.common }, each === 0 ? undefined : this.#commonIdleMs),
    );
  }

  get common(): readonly PoolWorker[] {
    return this.#common;
  }

  /** No thread starts ahead of its first task from now on. */
  close(): void {
    this.#isClosed = true;
  }

  all(): PoolWorker[] {
    return [...this.#common, ...this.#express, this.#urgent, this.#bodies].filter(
      (worker) => worker !== undefined,
    );
  }

  workerFor(
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
   * Has an express thread ready for the next tenant, when the scans of a tenant occupy all common threads.
   * With one tenant so far no thread is worth its start.
   *
   * @param name the task of `tenant`, whose code the thread loads
   */
  expectOthers(name: string, tenant: string): void {
    this.#firstTenant ??= tenant;
    this.#hasSeveralTenants ||= tenant !== this.#firstTenant;
    if (!this.#hasSeveralTenants || this.#isExpressExpected || this.#hasExpress) return;
    this.#isExpressExpected = true;
    const start = () => {
      // The next task looks again.
      this.#isExpressExpected = false;
      if (this.#isClosed || this.#hasExpress) return;
      if (this.#common.some(({ isAllUrgent }) => isAllUrgent)) return;
      (this.#express.at(0) ?? this.#newExpress(name)).start();
    };
    setTimeout(start, expressAfterMs).unref();
  }

  /** Whether an express thread runs or starts. */
  get #hasExpress(): boolean {
    return this.#express.some(({ hasThread }) => hasThread);
  }

  /**
   * Has a second common thread ready for the next urgent task, when a flush or a scan occupies the first one.
   * It stays while urgent tasks come.
   *
   * @param name the urgent task, whose code the thread loads
   */
  expectLongTasks(name: string): void {
    if (this.#isSecondExpected || this.#common.length < 2) return;
    if (this.#threadCount > 1) {
      for (const worker of this.#common) worker.postponeRest();
      return;
    }
    this.#isSecondExpected = true;
    const start = () => {
      // The next task looks again.
      this.#isSecondExpected = false;
      if (this.#isClosed || this.#threadCount !== 1) return;
      this.#common.find(({ hasThread }) => !hasThread)?.start(name);
    };
    setTimeout(start, secondAfterMs).unref();
  }

  /** Common threads that run or start. */
  get #threadCount(): number {
    let count = 0;
    for (const { hasThread } of this.#common) if (hasThread) count++;
    return count;
  }

  /** The preferred worker, unless it is down or much busier than the least busy one. */
  choose(affinity: number | undefined): PoolWorker {
    let least = this.#common[0];
    for (const worker of this.#common) if (weight(worker) < weight(least)) least = worker;
    if (affinity === undefined) return least;
    const count = this.#common.length;
    const preferred = this.#common[((Math.trunc(affinity) % count) + count) % count];
    return weight(preferred) - weight(least) < this.#affinitySlackMax ? preferred : least;
  }

  /** The longest queue; waiting urgent tasks come first. */
  longestQueue(): Job[] {
    if (this.#urgent && this.#urgent.queue.length > 0) return this.#urgent.queue;
    let longest = this.#common[0].queue;
    for (const { queue } of this.#common) if (queue.length > longest.length) longest = queue;
    return longest;
  }

  /**
   * The preferred worker, unless it has jobs of other tenants: then one without such jobs, or else an express
   * thread. Scans take seconds, and a tenant that sends many of them occupies every common thread.
   */
  #chooseFor(name: string, tenant: string | undefined, affinity: number | undefined): PoolWorker {
    const preferred = this.choose(affinity);
    if (tenant === undefined || !preferred.worksForOthers(tenant)) return preferred;
    let unshared: PoolWorker | undefined;
    for (const worker of this.#common) {
      if (!worker.isUp || worker.worksForOthers(tenant)) continue;
      if (!unshared || worker.load < unshared.load) unshared = worker;
    }
    if (unshared) return unshared;
    if (this.#common.some((worker) => worker.worksFor(tenant))) return preferred;
    const free = this.#express.find((worker) => worker.isUp && !worker.worksForOthers(tenant));
    if (free) return free;
    if (this.#express.length >= expressMax) {
      return this.#express.reduce((a, b) => (weight(b) < weight(a) ? b : a));
    }
    return this.#newExpress(name);
  }

  /**
   * A common thread without a scan, so that no more threads than cores compute; else the urgent thread. Only
   * when many urgent tasks wait, a thread with a scan is chosen.
   */
  #chooseUrgent(): PoolWorker {
    let open: PoolWorker | undefined;
    for (const worker of this.#common) {
      if (!worker.isUp || !worker.isAllUrgent) continue;
      if (!open || worker.load < open.load) open = worker;
    }
    if (open && open.load < urgentLoadMax) return open;
    const urgent = (this.#urgent ??= this.#newLane(nice.urgent, this.#laneIdleMs));
    return urgent.isUp && urgent.load < urgentLoadMax ? urgent : this.choose(undefined);
  }

  #newExpress(name: string): PoolWorker {
    const express = this.#newLane(nice.express, this.#commonIdleMs, name);
    this.#express.push(express);
    return express;
  }

  /** Creates a thread that takes no common tasks. */
  #newLane(niceValue: number, idleMs?: number, preloads?: string): PoolWorker {
    const { urgentWorkerData, workerData } = this.#options;
    return this.#newWorker({ data: urgentWorkerData ?? workerData, nice: niceValue, preloads }, idleMs);
  }
}

/** The load of a worker for the choice; a worker that is down comes last. */
function weight(worker: PoolWorker): number {
  return worker.isUp ? worker.load : Number.MAX_SAFE_INTEGER;
}
