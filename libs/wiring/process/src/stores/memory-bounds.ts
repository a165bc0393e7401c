/** Which part of the memory that the process may use each kind of work may hold. */
import os from 'node:os';
import type { Config } from '@loki/config';
import { mib } from '@loki/model';

export interface MemoryBounds {
  /** The process's: of its container, else of the machine. */
  readonly memoryBytes: number;
  /** Bodies of requests that are received or handled. */
  readonly bodyBytesMax: number;
  /** Pushes until the write log has acknowledged them, decompressed. */
  readonly pushBytesMax: number;
  /** One push, decompressed. */
  readonly decompressedBytesMax: number;
  /** Blocks that queries have decoded, of all threads. */
  readonly blockCacheBytesMax: number;
  /** Scans of one thread. */
  readonly leafBytesMaxPerThread: number;
  /** Results of scans that are merged, of all queries. */
  readonly rootBytesMax: number;
  readonly threadHeapMib: number;
}

/** Without load: code, heaps and buffers of the main thread and two others. */
const atRestBytes = 256 * mib;

/**
 * Bounds by the memory there is. Parts add up to three quarters of what is there besides the process at rest:
 * what was freed is collected a little later. Above some GiB nothing grows further.
 */
export function memoryBoundsOf(memoryBytes: number, threads: number): MemoryBounds {
  const usableBytes = Math.max(memoryBytes - atRestBytes, memoryBytes / 4);
  const part = (share: number, bytesMost: number): number =>
    Math.floor(Math.min(usableBytes * share, bytesMost));
  const pushBytesMax = part(1 / 4, 512 * mib);
  return {
    memoryBytes,
    bodyBytesMax: part(1 / 8, 512 * mib),
    pushBytesMax,
    decompressedBytesMax: Math.floor(Math.min(pushBytesMax / 2, 256 * mib)),
    blockCacheBytesMax: part(1 / 8, Infinity),
    leafBytesMaxPerThread: part(1 / 8 / threads, 384 * mib),
    rootBytesMax: part(1 / 8, 2048 * mib),
    threadHeapMib: Math.floor(Math.min(Math.max(memoryBytes / 4 / mib, 128), 1024)),
  };
}

/** Of the control group (version 1 or 2) when it is bounded, else of the machine. */
export function processMemoryBytes(): number {
  const machineBytes = os.totalmem();
  const constrainedBytes = process.constrainedMemory();
  return constrainedBytes > 0 ? Math.min(constrainedBytes, machineBytes) : machineBytes;
}

/** Threads for scans. */
export function threadsOf({ workerPool }: Config): number {
  return workerPool.threads > 0 ? workerPool.threads : os.availableParallelism();
}

/** For the log. */
export function inMib({ threadHeapMib, ...bytes }: MemoryBounds): Record<string, number> {
  const named = Object.entries(bytes).map(([name, value]) => [
    name.replace('Bytes', 'Mib'),
    Math.floor(value / mib),
  ]);
  return { ...Object.fromEntries(named), threadHeapMib };
}
