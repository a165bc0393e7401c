/** Workers without threads. */
import { LokiError } from '@loki/model';
import type { Task, TaskOptions, WorkerEnv, Workers } from '@loki/ports';
import { movable } from './worker-protocol.ts';

/** Runs tasks on the calling thread: for tests, the simulator and single-threaded programs. */
export class InlineWorkers implements Workers {
  readonly parallelism = 1;
  readonly #env: WorkerEnv;
  readonly #isCloning: boolean;
  #isClosed = false;

  /**
   * @param options.isCloning clones and moves input and output as between threads, which reveals values that
   *   cannot be sent
   */
  constructor(env: WorkerEnv, options?: { isCloning?: boolean }) {
    this.#env = env;
    this.#isCloning = options?.isCloning ?? false;
  }

  async run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    if (this.#isClosed) throw new LokiError('unavailable', 'worker pool is closed');
    const checkCancelled = signal && (() => signal.throwIfAborted());
    if (!this.#isCloning) {
      const output = await task.run(input, this.#env, checkCancelled);
      signal?.throwIfAborted();
      return output;
    }
    const inputCopy = structuredClone(input, { transfer: movable(task.transfer?.(input)) });
    const output = await task.run(inputCopy, this.#env, checkCancelled);
    signal?.throwIfAborted();
    return structuredClone(output, { transfer: movable(task.transferOutput?.(output)) });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }
}
