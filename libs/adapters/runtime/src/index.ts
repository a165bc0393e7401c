export { NodeDisk } from './disk.ts';
export { NodeHttpClient } from './http-client.ts';
export { InlineWorkers } from './inline-workers.ts';
export { NodeRandom } from './random.ts';
export { serveTasks } from './serve-tasks.ts';
export { NodeClock, NodeTimers } from './time.ts';
export { WorkerPool } from './worker-pool.ts';
