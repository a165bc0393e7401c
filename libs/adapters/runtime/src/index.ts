/** The runtime of a process: clock, timers, randomness, disk, HTTP client and worker threads. */
export { NodeDisk } from './node-disk.ts';
export { NodeHttpClient } from './node-http-client.ts';
export { IdleCaches } from './idle-caches.ts';
export { IdleCollection } from './idle-collection.ts';
export { InlineWorkers } from './inline-workers.ts';
export { NodeRandom } from './node-random.ts';
export { serveTasks } from './serve-tasks.ts';
export type { TaskPackage } from './serve-tasks.ts';
export { NodeClock, NodeTimers } from './time.ts';
export { WorkerPool } from './worker-pool.ts';
