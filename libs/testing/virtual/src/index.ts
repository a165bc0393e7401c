/** Public exports of the virtual world, for the simulator and tests. */
export { guardRealWorld } from './guard.ts';
export { Prng } from './prng.ts';
export { VirtualScheduler } from './scheduler.ts';
export { traceLogger } from './trace-logger.ts';
export { VirtualDisk } from './virtual-disk.ts';
export { diskError, noDiskFaults } from './disk-faults.ts';
export type { DiskFaults } from './disk-faults.ts';
export { VirtualNetwork, noNetworkFaults } from './virtual-network.ts';
export type { NetworkFaults } from './virtual-network.ts';
export { VirtualBucket, noStoreFaults } from './virtual-object-store.ts';
export type { StoreFaults } from './virtual-object-store.ts';
export { VirtualProcess, virtualEpochMs } from './virtual-process.ts';
export { VirtualRings, noRingFaults } from './virtual-ring-store.ts';
export type { RingFaults } from './virtual-ring-store.ts';
export { VirtualWorkers } from './virtual-workers.ts';
export { VirtualLog, noLogFaults } from './virtual-write-log.ts';
export type { LogFaults } from './virtual-write-log.ts';
