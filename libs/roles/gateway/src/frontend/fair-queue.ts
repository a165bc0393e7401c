/**
 * The queue in which parts of queries wait for queriers; tenants and their actors take turns: step *admit* of
 * a query.
 */
import { fnv1a32, LokiError } from '@loki/model';
import { ActorQueue } from './actor-queue.ts';
import type { ActorPath } from './actor-queue.ts';

interface Job<Puller> {
  readonly tenant: string;
  readonly actor: ActorPath;
  /** @param pullerSignal aborts when the puller is lost while it works */
  readonly run: (puller: Puller, pullerSignal: AbortSignal) => Promise<void>;
  readonly fail: (error: unknown) => void;
}

interface Waiting<Puller> {
  readonly pullerId: string;
  readonly deliver: (job: Job<Puller>) => void;
}

interface FairQueueOptions {
  /** Jobs one tenant may have waiting; more are refused with 429. */
  readonly outstandingMax: number;
  /**
   * Returns how many of `all` pullers may work for the tenant, so that a harmful query of the tenant affects
   * only these. Default: all.
   */
  readonly pullersFor?: (tenant: string, all: number) => number;
}

/**
 * A tenant may use three slots of four: jobs take seconds, and without a reserve another tenant would wait
 * for the first of them to end.
 */
const sharePerReserve = 4;

/**
 * One queue per tenant, served in turn: a hundred queries of one tenant delay another tenant's query by one
 * turn only. Pull-based: a puller with free capacity asks for the next job, so a slow puller gets fewer jobs.
 */
export class FairQueue<Puller = void> {
  /** Queues by tenant, in the order of turns. */
  readonly #queues = new Map<string, ActorQueue<Job<Puller>>>();
  readonly #waiting: Waiting<Puller>[] = [];
  readonly #options: FairQueueOptions;
  /** Slots by puller. */
  readonly #slots = new Map<string, number>();
  /** Jobs that run, by tenant. */
  readonly #running = new Map<string, number>();
  #length = 0;
  #pullers = 0;
  #isClosed = false;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /** Jobs waiting, all tenants. */
  get length(): number {
    return this.#length;
  }

  /** How many jobs can run side by side now. */
  get pullers(): number {
    return this.#pullers;
  }

  /**
   * Runs `work` when its tenant's turn comes and a puller is free. When that puller is lost, another one
   * repeats the work, once.
   *
   * @param actor the actor within the tenant; actors take turns, too
   * @throws LokiError tooManyRequests when the tenant's queue is full; the signal's reason when it aborts
   *   while waiting
   */
  submit<T>(
    tenant: string,
    work: (puller: Puller) => Promise<T>,
    signal?: AbortSignal,
    actor: ActorPath = [],
  ): Promise<T> {
    signal?.throwIfAborted();
    if (this.#isClosed) return Promise.reject(stopped());
    const waiting = this.#queues.get(tenant)?.size ?? 0;
    if (waiting >= this.#options.outstandingMax) {
      return Promise.reject(new LokiError('tooManyRequests', 'too many outstanding requests'));
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let isRepeated = false;
    const job: Job<Puller> = {
      tenant,
      actor,
      run: async (puller, pullerSignal) => {
        signal?.removeEventListener('abort', onAbort);
        try {
          resolve(await work(puller));
        } catch (error) {
          if (!pullerSignal.aborted || signal?.aborted || isRepeated || this.#isClosed) {
            reject(error);
            return;
          }
          isRepeated = true;
          signal?.addEventListener('abort', onAbort, { once: true });
          this.#offer(job, 'first');
        }
      },
      fail: (error) => {
        signal?.removeEventListener('abort', onAbort);
        reject(error);
      },
    };
    const onAbort = () => {
      this.#remove(job);
      reject(signal!.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#offer(job, 'last');
    return promise;
  }

  /**
   * Serves jobs one after the other, until `pullerSignal` aborts. Call it once for each slot of the puller.
   *
   * @param pullerId the same for all slots of one puller
   */
  async serve(pullerSignal: AbortSignal, puller: Puller, pullerId = ''): Promise<void> {
    this.#join(pullerId, 1);
    try {
      while (!pullerSignal.aborted) {
        const job = this.#take(pullerId) ?? (await this.#wait(pullerSignal, pullerId));
        if (!job) return;
        try {
          await job.run(puller, pullerSignal);
        } finally {
          this.#ended(job);
        }
      }
    } finally {
      this.#join(pullerId, -1);
    }
  }

  /** Fails all waiting and all later jobs. */
  close(): void {
    this.#isClosed = true;
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    this.#length = 0;
    for (const queue of queues) for (const job of queue) job.fail(stopped());
  }

  #join(pullerId: string, slots: 1 | -1): void {
    this.#pullers += slots;
    const before = this.#slots.get(pullerId) ?? 0;
    if (before + slots > 0) this.#slots.set(pullerId, before + slots);
    else this.#slots.delete(pullerId);
    if (before > 0 && before + slots > 0) return;
    // The pullers of tenants have changed: idle pullers may now serve waiting jobs.
    for (const idle of this.#waiting.slice()) {
      const job = this.#take(idle.pullerId);
      if (!job) continue;
      this.#waiting.splice(this.#waiting.indexOf(idle), 1);
      idle.deliver(job);
    }
  }

  /** Hands the job to an idle puller, or queues it. */
  #offer(job: Job<Puller>, place: 'first' | 'last'): void {
    const { tenant } = job;
    const allowed = this.#pullersOf(tenant);
    const at = this.#waiting.findIndex(({ pullerId }) => !allowed || allowed.has(pullerId));
    if (at >= 0 && this.#hasSlotLeft(tenant)) {
      this.#began(job);
      this.#waiting.splice(at, 1)[0].deliver(job);
      return;
    }
    this.#length += 1;
    let queue = this.#queues.get(tenant);
    if (!queue) this.#queues.set(tenant, (queue = new ActorQueue()));
    queue.add(job.actor, job, place);
  }

  /** The first tenant in turn that the puller may work for. */
  #take(pullerId: string): Job<Puller> | undefined {
    for (const [tenant, queue] of this.#queues) {
      const allowed = this.#pullersOf(tenant);
      if (!this.#hasSlotLeft(tenant) || (allowed && !allowed.has(pullerId))) continue;
      const job = queue.take()!;
      this.#began(job);
      this.#length -= 1;
      // Moves the tenant to the end of the round, or removes it if it has no jobs.
      this.#queues.delete(tenant);
      if (queue.size > 0) this.#queues.set(tenant, queue);
      return job;
    }
    return undefined;
  }

  #hasSlotLeft(tenant: string): boolean {
    const reserved = Math.floor(this.#pullers / sharePerReserve);
    return (this.#running.get(tenant) ?? 0) < this.#pullers - reserved;
  }

  #began({ tenant }: Job<Puller>): void {
    this.#running.set(tenant, (this.#running.get(tenant) ?? 0) + 1);
  }

  #ended({ tenant }: Job<Puller>): void {
    const count = this.#running.get(tenant)! - 1;
    if (count > 0) this.#running.set(tenant, count);
    else this.#running.delete(tenant);
  }

  /**
   * The pullers that may work for the tenant; undefined: all. Chooses those with the lowest hash of puller
   * and tenant: when a puller appears or leaves, each tenant changes at most one of its pullers.
   */
  #pullersOf(tenant: string): ReadonlySet<string> | undefined {
    const all = this.#slots.size;
    const count = this.#options.pullersFor?.(tenant, all) ?? all;
    if (count >= all) return undefined;
    const ranked = [...this.#slots.keys()].map((id) => ({ id, rank: fnv1a32(`${tenant}\0${id}`) }));
    ranked.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
    return new Set(ranked.slice(0, Math.max(1, count)).map(({ id }) => id));
  }

  #wait(pullerSignal: AbortSignal, pullerId: string): Promise<Job<Puller> | undefined> {
    return new Promise((resolve) => {
      const onAbort = () => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(undefined);
      };
      const waiting: Waiting<Puller> = {
        pullerId,
        deliver: (job) => {
          pullerSignal.removeEventListener('abort', onAbort);
          resolve(job);
        },
      };
      pullerSignal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #remove(job: Job<Puller>): void {
    const queue = this.#queues.get(job.tenant);
    if (!queue?.remove(job.actor, job)) return;
    this.#length -= 1;
    if (queue.size === 0) this.#queues.delete(job.tenant);
  }
}

function stopped(): LokiError {
  return new LokiError('unavailable', 'the query frontend is stopping');
}
