import { LokiError } from '@loki/model';

interface Job {
  readonly run: () => Promise<void>;
}

/**
 * One queue per tenant, served in turn, so that a tenant's hundred queries delay another tenant's one by one turn
 * only. Pull-based: whoever has capacity asks for the next job, so a slow puller simply takes fewer.
 */
export class FairQueue {
  /** In the order in which tenants take their turns. */
  readonly #queues = new Map<string, Job[]>();
  readonly #waiting: ((job: Job) => void)[] = [];
  readonly #outstandingMax: number;
  #length = 0;

  /** @param outstandingMax jobs one tenant may have waiting; more are refused with 429 */
  constructor(outstandingMax: number) {
    this.#outstandingMax = outstandingMax;
  }

  /** Jobs waiting, all tenants. */
  get length(): number {
    return this.#length;
  }

  /**
   * Runs `work` when its tenant's turn comes and a puller is free.
   *
   * @throws LokiError tooManyRequests when the tenant's queue is full; the signal's reason when it aborts while waiting
   */
  submit<T>(tenant: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const queue = this.#queues.get(tenant);
    if (queue && queue.length >= this.#outstandingMax) {
      return Promise.reject(new LokiError('tooManyRequests', 'too many outstanding requests'));
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const job: Job = {
      run: async () => {
        signal?.removeEventListener('abort', onAbort);
        await work().then(resolve, reject);
      },
    };
    const onAbort = () => {
      this.#remove(tenant, job);
      reject(signal!.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const idle = this.#waiting.shift();
    if (idle) {
      idle(job);
      return promise;
    }
    this.#length += 1;
    if (queue) queue.push(job);
    else this.#queues.set(tenant, [job]);
    return promise;
  }

  /** Serves jobs for ever, one after the other: call once for each that may run side by side. */
  async serve(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const job = this.#take() ?? (await this.#wait(signal));
      if (!job) return;
      await job.run();
    }
  }

  #take(): Job | undefined {
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

  #wait(signal: AbortSignal): Promise<Job | undefined> {
    return new Promise((resolve) => {
      const onAbort = () => {
        const at = this.#waiting.indexOf(deliver);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(undefined);
      };
      const deliver = (job: Job) => {
        signal.removeEventListener('abort', onAbort);
        resolve(job);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(deliver);
    });
  }

  #remove(tenant: string, job: Job): void {
    const queue = this.#queues.get(tenant);
    const at = queue?.indexOf(job) ?? -1;
    if (!queue || at < 0) return;
    queue.splice(at, 1);
    this.#length -= 1;
    if (queue.length === 0) this.#queues.delete(tenant);
  }
}
