/** Workers of a virtual process: tasks run as events. */
import type { ObjectStore, Task, WorkerEnv, Workers } from '@loki/ports';
import type { VirtualProcess } from './virtual-process.ts';

/** Bytes of decoded blocks that a virtual worker may keep: small, so that eviction happens. */
const cacheBytesMax = 4 * 1024 * 1024;

/** Tasks of one process, on the scheduler: each starts after a delay that the seed draws. */
export class VirtualWorkers implements Workers {
  readonly parallelism = 2;
  readonly #process: VirtualProcess;
  readonly #env: WorkerEnv;

  constructor(process: VirtualProcess, objectStore: ObjectStore) {
    this.#process = process;
    this.#env = { objectStore, cache: new Map(), cacheBytesMax };
  }

  async run<Input, Output>(
    task: Task<Input, Output>,
    input: Input,
    options: {
      affinity?: number;
      signal?: AbortSignal;
      isUrgent?: boolean;
      lane?: 'bodies';
      tenant?: string;
    } = {},
  ): Promise<Output> {
    const { signal } = options;
    signal?.throwIfAborted();
    const checkCancelled = signal && (() => signal.throwIfAborted());
    const output = await this.#process.tell(this.#process.random.float() * 3, `task ${task.name}`, () =>
      task.run(input, this.#env, checkCancelled),
    );
    signal?.throwIfAborted();
    return output;
  }

  async close(): Promise<void> {}
}
