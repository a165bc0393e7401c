/** Worker threads that start with the first task: for processes that seldom need one. */
import type { Task, TaskOptions, Workers } from '@loki/ports';

/** A gateway reads long queries in a thread: most gateways never see one. */
export class LazyWorkers implements Workers {
  readonly parallelism = 1;
  readonly #start: () => Workers;
  #workers: Workers | undefined;

  /** @param start starts a pool of one thread */
  constructor(start: () => Workers) {
    this.#start = start;
  }

  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output> {
    this.#workers ??= this.#start();
    return this.#workers.run(task, input, options);
  }

  async close(): Promise<void> {
    await this.#workers?.close();
  }
}
