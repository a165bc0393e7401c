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
const die: Task<null, never> = { name: 'die', run: () => process.exit(3) };
const unknown: Task<null, null> = { name: 'nobody has heard of it', run: () => null };
const returnFunction: Task<null, unknown> = { name: 'returnFunction', run: () => () => 1 };

export const testTasks = { double, sum, refuse, fail, whoAmI, spin, die, returnFunction };
export const unservedTask = unknown;
