// A worker for the pool's tests, with tasks that do each thing a task may do to a pool.
import { serveTasks } from '../serve-tasks.ts';
import { testTasks } from './tasks.ts';

serveTasks(Object.values(testTasks), (data) => {
  if (data === 'refuse') throw new Error('no environment today');
  if (data instanceof Int32Array) Atomics.add(data, 0, 1);
  return { objectStore: undefined as never, cache: new Map([['data', data]]), cacheBytesMax: 0 };
});
