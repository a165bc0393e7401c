/** Divides the memory of the process into bounds for each kind of work. */
import os from 'node:os';
import type { Config } from '@loki/config';
import { mib } from '@loki/model';

export interface MemoryBounds {
  /** Memory of the container, otherwise of the machine. */
  readonly memoryBytes: number;
  /** Bodies of requests that are received or handled. */
  readonly bodyBytesMax: number;
  /** Decompressed pushes until the write log has acknowledged them. */
  readonly pushBytesMax: number;
  /** One decompressed push. */
  readonly decompressedBytesMax: number;
  /** Decoded blocks in the caches of all threads. */
  readonly blockCacheBytesMax: number;
  /** Scans of one thread. */
  readonly leafBytesMaxPerThread: number;
  /** Merged results of scans, of all queries. */
  readonly rootBytesMax: number;
  /** Records that no segment has yet, of all partitions. */
  readonly headBytesMax: number;
  /** Records from Kafka that no consumer has taken yet. */
  readonly logReadBytesMax: number;
  /** Results caches in memory, and results that wait to be written to remote caches. */
  readonly resultsCacheBytesMax: number;
  readonly cacheWritingBytesMax: number;
  readonly threadHeapMib: number;
}

/** Memory without load: code, heaps and buffers of the main thread and two others. */
const atRestBytes = 256 * mib;

/**
 * With less memory than this, garbage of pushes takes a larger part: 200 connections with compressed bodies
 * filled 512 MiB.
 */
const pushRoomFromBytes = 1024 * mib;

/** A head needs room for reads of the log, and Kafka's consumers for one partition each. */
const headBytesLeast = 8 * mib;
const logReadBytesLeast = 4 * mib;

/**
 * Divides the memory beyond the process at rest. Requests get at most three quarters, because freed memory is
 * collected a little later. Heads, waiting records and cached results get 11 of 64 parts: they stay in
 * memory, and leave no garbage. Above some GiB the bounds do not grow.
 */
export function memoryBoundsOf(memoryBytes: number, threads: number): MemoryBounds {
  const usableBytes = Math.max(memoryBytes - atRestBytes, memoryBytes / 4);
  const part = (share: number, bytesMost: number): number =>
    Math.floor(Math.min(usableBytes * share, bytesMost));
  const pushBytesMax = part(memoryBytes < pushRoomFromBytes ? 1 / 8 : 1 / 4, 512 * mib);
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

/** Memory of the control group (version 1 or 2) if bounded, otherwise of the machine. */
export function processMemoryBytes(): number {
  const machineBytes = os.totalmem();
  const constrainedBytes = process.constrainedMemory();
  return constrainedBytes > 0 ? Math.min(constrainedBytes, machineBytes) : machineBytes;
}

/** Threads for scans. */
export function threadsOf({ workerPool }: Config): number {
  return workerPool.threads > 0 ? workerPool.threads : os.availableParallelism();
}

/** The bounds in MiB, for the log. */
export function inMib({ threadHeapMib, ...bytes }: MemoryBounds): Record<string, number> {
  const named = Object.entries(bytes).map(([name, value]) => [
    name.replace('Bytes', 'Mib'),
    Math.floor(value / mib),
  ]);
  return { ...Object.fromEntries(named), threadHeapMib };
}
