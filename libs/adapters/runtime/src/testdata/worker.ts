// A worker for the pool's tests, with tasks that do each thing a task may do to a pool.
import { serveTasks } from '../serve-tasks.ts';
import { testTasks } from './tasks.ts';

const load = () => Promise.resolve(Object.values(testTasks));

const fail = () => Promise.reject(new Error('no such package'));
const packages = [
  { prefix: 'unloadable.', load: fail },
  { prefix: '', load },
];

serveTasks(packages, (data, report) => {
  if (data === 'report') for (const part of [1, 2]) report({ part });
  if (data === 'refuse') throw new Error('no environment today');
  if (data instanceof Int32Array) Atomics.add(data, 0, 1);
  return { objectStore: undefined as never, cache: new Map([['data', data]]), cacheBytesMax: 0 };
});
