import { LokiError } from '@loki/model';

interface Job<Puller> {
  /** @param gone aborts when the puller is lost while it works */
  readonly run: (puller: Puller, gone: AbortSignal) => Promise<void>;
  readonly fail: (error: unknown) => void;
}

/**
 * One queue per tenant, served in turn, so that a tenant's hundred queries delay another tenant's one by one turn
 * only. Pull-based: whoever has capacity asks for the next job, so a slow puller simply takes fewer.
 */
export class FairQueue<Puller = void> {
  /** In the order in which tenants take their turns. */
  readonly #queues = new Map<string, Job<Puller>[]>();
  readonly #waiting: ((job: Job<Puller>) => void)[] = [];
  readonly #outstandingMax: number;
  #length = 0;
  #pullers = 0;
  #isClosed = false;

  /** @param outstandingMax jobs one tenant may have waiting; more are refused with 429 */
  constructor(outstandingMax: number) {
    this.#outstandingMax = outstandingMax;
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
   * Runs `work` when its tenant's turn comes and a puller is free. When the puller is lost meanwhile, another one is
   * given the work, once.
   *
   * @throws LokiError tooManyRequests when the tenant's queue is full; the signal's reason when it aborts while waiting
   */
  submit<T>(tenant: string, work: (puller: Puller) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#isClosed) return Promise.reject(stopped());
    const waiting = this.#queues.get(tenant)?.length ?? 0;
    if (waiting >= this.#outstandingMax) {
      return Promise.reject(new LokiError('tooManyRequests', 'too many outstanding requests'));
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let isRepeated = false;
    const job: Job<Puller> = {
      run: async (puller, gone) => {
        signal?.removeEventListener('abort', onAbort);
        try {
          resolve(await work(puller));
        } catch (error) {
          if (!gone.aborted || signal?.aborted || isRepeated || this.#isClosed) {
            reject(error);
            return;
          }
          isRepeated = true;
          signal?.addEventListener('abort', onAbort, { once: true });
          this.#offer(tenant, job, 'first');
        }
      },
      fail: (error) => {
        signal?.removeEventListener('abort', onAbort);
        reject(error);
      },
    };
    const onAbort = () => {
      this.#remove(tenant, job);
      reject(signal!.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#offer(tenant, job, 'last');
    return promise;
  }

  /** Serves jobs until the puller is gone, one after the other: call once for each that may run side by side. */
  async serve(gone: AbortSignal, puller: Puller): Promise<void> {
    this.#pullers += 1;
    try {
      while (!gone.aborted) {
        const job = this.#take() ?? (await this.#wait(gone));
        if (!job) return;
        await job.run(puller, gone);
      }
    } finally {
      this.#pullers -= 1;
    }
  }

  /** Fails all that waits, and all that comes. */
  close(): void {
    this.#isClosed = true;
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    this.#length = 0;
    for (const queue of queues) for (const job of queue) job.fail(stopped());
  }

  /** To an idle puller, or into the queue of its tenant. */
  #offer(tenant: string, job: Job<Puller>, place: 'first' | 'last'): void {
    const idle = this.#waiting.shift();
    if (idle) {
      idle(job);
      return;
    }
    this.#length += 1;
    const queue = this.#queues.get(tenant);
    if (!queue) this.#queues.set(tenant, [job]);
    else if (place === 'first') queue.unshift(job);
    else queue.push(job);
  }

  #take(): Job<Puller> | undefined {
    const first = this.#queues.entries().next();
    if (first.done) return undefined;
    const [tenant, queue] = first.value;
    const job = queue.shift()!;
    this.#length -= 1;
    // To the back of the round, or out of it.
    this.#queues.delete(tenant);
    if (queue.length > 0) this.#queues.set(tenant, queue);
    return job;
  }

  #wait(gone: AbortSignal): Promise<Job<Puller> | undefined> {
    return new Promise((resolve) => {
      const onAbort = () => {
        const at = this.#waiting.indexOf(deliver);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(undefined);
      };
      const deliver = (job: Job<Puller>) => {
        gone.removeEventListener('abort', onAbort);
        resolve(job);
      };
      gone.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(deliver);
    });
  }

  #remove(tenant: string, job: Job<Puller>): void {
    const queue = this.#queues.get(tenant);
    const at = queue?.indexOf(job) ?? -1;
    if (!queue || at < 0) return;
    queue.splice(at, 1);
    this.#length -= 1;
    if (queue.length === 0) this.#queues.delete(tenant);
  }
}

function stopped(): LokiError {
  return new LokiError('unavailable', 'the query frontend is stopping');
}
