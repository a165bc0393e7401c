import os from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { interruptible, LokiError, loadHash } from '@loki/model';
import type { CheckCancelled, Task, WorkerEnv } from '@loki/ports';
import { errorToWire, movable, ping } from './worker-protocol.ts';
import type { TaskAnswer, TaskCall, WorkerStart } from './worker-protocol.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- a table of tasks of all types has no common input type
type AnyTask = Task<any, any>;

/** Tasks whose names begin alike. They are loaded with the first call of one of them. */
export interface TaskPackage {
  readonly prefix: string;
  readonly load: () => Promise<readonly AnyTask[]>;
}

/**
 * A worker script's whole life: takes calls from the `WorkerPool` that started it and answers them, several
 * at a time when tasks wait (a fetch, say). Call it once, with every task that the pool's users may run.
 *
 * @param packages of a name, the first one with its prefix is loaded: a thread that only reads has no code of
 *   those that write
 * @param envFactory builds what tasks may use, from the pool's `workerData`; when it fails the worker ends,
 *   and the pool says so
 */
export function serveTasks(
  packages: readonly TaskPackage[],
  envFactory: (data: unknown) => WorkerEnv | Promise<WorkerEnv>,
): void {
  const port = parentPort;
  if (!port) throw new Error('serveTasks() runs in a worker thread only');
  const { data, nice, preloads } = workerData as WorkerStart;
  beNice(nice);
  const taskOf = taskFinder(packages);
  const ready = loadHash().then(() => envFactory(data));
  // A failure is that of the first call, which loads the code again.
  if (preloads !== undefined) taskOf(preloads).catch(() => {});

  const answer = async (call: TaskCall): Promise<void> => {
    try {
      const env = await ready;
      const task = await taskOf(call.name);
      // It may have waited here behind others.
      const checkCancelled = checkOf(call);
      checkCancelled();
      const run = () => task.run(call.input, env, checkCancelled);
      const output: unknown = await interruptible(checkCancelled, run);
      const done: TaskAnswer = { id: call.id, ok: true, output };
      port.postMessage(done, movable(task.transferOutput?.(output)));
    } catch (error) {
      const failed: TaskAnswer = { id: call.id, ok: false, failure: errorToWire(error) };
      port.postMessage(failed);
    }
  };
  // Listening before `ready` holds the port open; an environment that cannot be built must end the thread.
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

/** Finds tasks by name. A package that cannot be loaded fails the call, and is tried again by the next. */
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

/** Shows that the thread is alive and at this call; throws once its caller has given up. */
function checkOf({ id, cancelled, pulse }: TaskCall): CheckCancelled {
  return () => {
    // The pulse has one writer, this thread: no need of an atomic addition.
    Atomics.store(pulse, 1, id);
    Atomics.store(pulse, 0, pulse[0] + 1);
    if (cancelled && Atomics.load(cancelled, 0) !== 0) {
      throw new LokiError('clientGone', 'the task was cancelled');
    }
  };
}
