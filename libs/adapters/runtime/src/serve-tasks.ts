/** The worker's side of the pool: runs tasks and answers. */
import os from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { interruptible, LokiError, loadHash } from '@loki/model';
import type { CheckCancelled, Task, WorkerEnv } from '@loki/ports';
import { errorToWire, movable, ping } from './worker-protocol.ts';
import type { TaskAnswer, TaskCall, ThreadReport, WorkerStart } from './worker-protocol.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- a table of tasks of all types has no common input type
type AnyTask = Task<any, any>;

/** Tasks with a common prefix of their names. They are loaded with the first call of one of them. */
export interface TaskPackage {
  readonly prefix: string;
  readonly load: () => Promise<readonly AnyTask[]>;
}

/**
 * The main function of a worker script: takes calls of the `WorkerPool` that started it and answers them,
 * several at a time when tasks wait, e.g. for a fetch. Call it once, with every task that users of the pool
 * may run.
 *
 * @param packages for a name, the first package with its prefix is loaded: a thread that only reads does not
 *   load code for writing
 * @param envFactory builds the environment of tasks from the pool's `workerData`; if it fails, the worker
 *   ends and the pool reports it. `report` sends a structured-cloneable value to the pool's `onReport`. It is
 *   no BroadcastChannel: the first message of one loads an HTTP client for its class of events in each thread
 *   that has the channel, 30 ms of CPU and 10 MB
 */
export function serveTasks(
  packages: readonly TaskPackage[],
  envFactory: (data: unknown, report: (content: unknown) => void) => WorkerEnv | Promise<WorkerEnv>,
): void {
  const port = parentPort;
  if (!port) throw new Error('serveTasks() runs in a worker thread only');
  const { data, nice, preloads } = workerData as WorkerStart;
  beNice(nice);
  const taskOf = taskFinder(packages);
  const report = (content: unknown) => port.postMessage({ report: content } satisfies ThreadReport);
  const ready = loadHash().then(() => envFactory(data, report));
  // A failure is that of the first call, which loads the code again.
  if (preloads !== undefined) taskOf(preloads).catch(() => {});

  const answer = async (call: TaskCall): Promise<void> => {
    try {
      const env = await ready;
      const task = await taskOf(call.name);
      // The call may have waited behind others.
      const checkCancelled = checkOf(call);
      checkCancelled();
      const run = () => task.run(call.input, env, checkCancelled);
      const output: unknown = await interruptible(checkCancelled, run);
      const answer: TaskAnswer = { id: call.id, ok: true, output };
      port.postMessage(answer, movable(task.transferOutput?.(output)));
    } catch (error) {
      const failed: TaskAnswer = { id: call.id, ok: false, failure: errorToWire(error) };
      port.postMessage(failed);
    }
  };
  // A listener keeps the port open, so it is added after the environment is built: a failure must end the
  // thread.
  let pulse: Int32Array | undefined;
  port.on('message', (call: TaskCall | typeof ping) => {
    if (call === ping) {
      if (pulse) Atomics.store(pulse, 0, pulse[0] + 1);
      return;
    }
    pulse = call.pulse;
    void answer(call);
  });
  ready.catch((error: unknown) => {
    setImmediate(() => {
      throw error;
    });
  });
}

/** Finds tasks by name. If a package cannot be loaded, the call fails, and the next call tries again. */
function taskFinder(packages: readonly TaskPackage[]): (name: string) => Promise<AnyTask> {
  const byName = new Map<string, AnyTask>();
  return async (name) => {
    const loaded = byName.get(name);
    if (loaded) return loaded;
    const tasks = (await packages.find(({ prefix }) => name.startsWith(prefix))?.load()) ?? [];
    for (const task of tasks) byName.set(task.name, task);
    const task = byName.get(name);
    if (!task) throw new LokiError('internal', `worker knows no task ${name}`);
    return task;
  };
}

/** Linux keeps a nice value for each thread, and 0 names the calling one. Elsewhere it is the process's. */
function beNice(nice: number): void {
  if (process.platform === 'linux') os.setPriority(0, nice);
}

/**
 * The check of a call: shows by the pulse that the thread is alive, and throws after the caller has given up.
 */
function checkOf({ id, cancelled, pulse }: TaskCall): CheckCancelled {
  return () => {
    // This thread is the only writer of the pulse, so no atomic addition is needed.
    Atomics.store(pulse, 1, id);
    Atomics.store(pulse, 0, pulse[0] + 1);
    if (cancelled && Atomics.load(cancelled, 0) !== 0) {
      throw new LokiError('clientGone', 'the task was cancelled');
    }
  };
}
