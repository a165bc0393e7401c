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
  /** Records that no segment has yet, of all partitions. */
  readonly headBytesMax: number;
  /** Records that Kafka gave and no consumer has taken yet. */
  readonly logReadBytesMax: number;
  /** Results in memory, of all caches; and those on their way to caches elsewhere. */
  readonly resultsCacheBytesMax: number;
  readonly cacheWritingBytesMax: number;
  readonly threadHeapMib: number;
}

/** Without load: code, heaps and buffers of the main thread and two others. */
const atRestBytes = 256 * mib;

/** A head has room for reads of the log, and Kafka's consumers for one partition each. */
const headBytesLeast = 8 * mib;
const logReadBytesLeast = 4 * mib;

/**
 * Bounds by the memory there is besides the process at rest. Requests have three quarters of it at most: what
 * was freed is collected a little later. Heads, and records and results that are kept, have 11 parts of 64
 * more: they stay, and leave nothing to be collected. Above some GiB nothing grows further.
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
    headBytesMax: Math.max(part(3 / 32, 512 * mib), headBytesLeast),
    logReadBytesMax: Math.max(part(1 / 32, 128 * mib), logReadBytesLeast),
    resultsCacheBytesMax: part(1 / 32, Infinity),
    cacheWritingBytesMax: part(1 / 64, 64 * mib),
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
