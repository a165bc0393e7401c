/** The layouts in which a data set is stored: blocks, partitions, and the parts that are flushed. */
import { mergeDaysTask } from '@loki/compactor';
import type { Task, Workers } from '@loki/ports';
import { mergeTask } from '@loki/segment';

/** The places of a data set's rows when it is queried. */
export interface Layout {
  readonly name: string;
  readonly partitionCount: number;
  /** Ingesters that hold every head; the first flushes. */
  readonly ingesters: number;
  /** Line bytes of a stored block; undefined: as in production, where these data fill one block at most. */
  readonly blockBytes: number | undefined;
  /** Shares of the pushes after which an action is done. Ascending. */
  readonly steps: readonly (readonly [share: number, action: 'flush' | 'compact'])[];
}

export const layouts: readonly Layout[] = [
  { name: 'head', partitionCount: 1, ingesters: 1, blockBytes: undefined, steps: [] },
  { name: 'head of three partitions', partitionCount: 3, ingesters: 2, blockBytes: undefined, steps: [] },
  { name: 'flushed', partitionCount: 1, ingesters: 1, blockBytes: 400, steps: [[1, 'flush']] },
  { name: 'half flushed', partitionCount: 2, ingesters: 2, blockBytes: undefined, steps: [[0.5, 'flush']] },
  {
    name: 'compacted',
    partitionCount: 2,
    ingesters: 1,
    blockBytes: undefined,
    steps: [[0.3, 'flush'], [0.7, 'flush'], [1, 'flush'], [1, 'compact']],
  },
  {
    name: 'some of each',
    partitionCount: 1,
    ingesters: 1,
    blockBytes: 200,
    steps: [[0.2, 'flush'], [0.3, 'flush'], [0.5, 'flush'], [0.5, 'compact'], [0.8, 'flush']],
  },
]; // prettier-ignore

/** Gives small blocks to tasks that write segments. */
export class SmallBlocks implements Workers {
  readonly parallelism = 2;
  readonly #workers: Workers;
  readonly #blockBytes: number | undefined;

  constructor(workers: Workers, blockBytes: number | undefined) {
    this.#workers = workers;
    this.#blockBytes = blockBytes;
  }

  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: { affinity?: number; signal?: AbortSignal }): Promise<Output> {
    const blockBytes = this.#blockBytes;
    let taskInput: unknown = input;
    if (blockBytes !== undefined && task.name === mergeDaysTask.name) taskInput = { ...input, blockBytes };
    if (blockBytes !== undefined && task.name === mergeTask.name) {
      const { options: merging } = input as { options: object };
      taskInput = { ...input, options: { ...merging, blockBytes } };
    }
    return this.#workers.run(task, taskInput as Input, options);
  } // prettier-ignore

  close(): Promise<void> {
    return this.#workers.close();
  }
}
