/** Tasks that the tests of the worker pool run in threads. */
import { LokiError } from '@loki/model';
import type { Task } from '@loki/ports';
import { threadId } from 'node:worker_threads';

const double: Task<number, number> = { name: 'double', run: (value) => value * 2 };
const sum: Task<Uint8Array, { total: number; bytes: Uint8Array }> = {
  name: 'sum',
  run: (bytes) => ({ total: bytes.reduce((a, b) => a + b, 0), bytes }),
  transfer: (bytes) => [bytes.buffer as ArrayBuffer],
  transferOutput: (output) => [output.bytes.buffer as ArrayBuffer],
};
const refuse: Task<string, never> = {
  name: 'refuse',
  run(message) {
    throw new LokiError('corrupt', message, { cause: new Error('the cause') });
  },
};
const fail: Task<string, never> = {
  name: 'fail',
  run(message) {
    throw new TypeError(message);
  },
};
const whoAmI: Task<null, { thread: number; data: unknown }> = {
  name: 'whoAmI',
  run: (_input, env) => ({ thread: threadId, data: env.cache.get('data') }),
};
/** Holds its thread, computing, until the shared cell is not 0. */
const spin: Task<Int32Array, number> = {
  name: 'spin',
  run(cell) {
    Atomics.add(cell, 1, 1);
    while (Atomics.load(cell, 0) === 0) Atomics.wait(cell, 0, 0, 20);
    return threadId;
  },
};
/** Computes until its caller gives up, counting its rounds in [1]; leaves 1 in [0] when it is stopped. */
const toil: Task<Int32Array, never> = {
  name: 'toil',
  run(cell, _env, checkCancelled) {
    for (;;) {
      Atomics.add(cell, 1, 1);
      try {
        checkCancelled?.();
      } catch (error) {
        Atomics.store(cell, 0, 1);
        throw error;
      }
    }
  },
};
const die: Task<null, never> = { name: 'die', run: () => process.exit(3) };
const unknown: Task<null, null> = { name: 'nobody has heard of it', run: () => null };
const returnFunction: Task<null, unknown> = { name: 'returnFunction', run: () => () => 1 };

export const testTasks = { double, sum, refuse, fail, whoAmI, spin, toil, die, returnFunction };
export const unservedTask = unknown;
/** Of a package that cannot be loaded. */
export const unloadableTask: Task<null, null> = { name: 'unloadable.task', run: () => null };
