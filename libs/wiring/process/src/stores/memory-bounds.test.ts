/**
 * Protects small containers from bounds that were made for large machines, and large machines from smaller
 * ones than they had.
 */
import { inMib, memoryBoundsOf, processMemoryBytes } from './memory-bounds.ts';

const mib = 2 ** 20;

test.each([256, 512, 1024, 2048, 4096, 65_536])(
  'in %d MiB all that may be held fits beside the process at rest',
  (size) => {
    for (const threads of [1, 2, 8, 64]) {
      const bounds = memoryBoundsOf(size * mib, threads);
      const ofRequests =
        bounds.bodyBytesMax +
        bounds.pushBytesMax +
        bounds.blockCacheBytesMax +
        threads * bounds.leafBytesMaxPerThread +
        bounds.rootBytesMax;
      const usable = Math.max(size - 256, size / 4) * mib;
      expect(ofRequests).toBeLessThanOrEqual(0.75 * usable);
      const kept =
        bounds.headBytesMax +
        bounds.logReadBytesMax +
        bounds.resultsCacheBytesMax +
        bounds.cacheWritingBytesMax;
      // The least that a head and a consumer need is in the part of the process at rest where there is
      // little.
      expect(kept).toBeLessThanOrEqual((usable * 11) / 64 + 12 * mib);
      if (size >= 512) expect(ofRequests + kept).toBeLessThanOrEqual(0.95 * usable);
      expect(bounds.decompressedBytesMax).toBeLessThanOrEqual(bounds.pushBytesMax / 2);
    }
  },
);

test('a large machine has the bounds that were measured for it', () => {
  expect(memoryBoundsOf(64 * 1024 * mib, 8)).toMatchObject({
    bodyBytesMax: 512 * mib,
    pushBytesMax: 512 * mib,
    decompressedBytesMax: 256 * mib,
    leafBytesMaxPerThread: 384 * mib,
    rootBytesMax: 2048 * mib,
    headBytesMax: 512 * mib,
    logReadBytesMax: 128 * mib,
    cacheWritingBytesMax: 64 * mib,
    threadHeapMib: 1024,
  });
});

test('each bound is logged at the start', () => {
  const bounds = memoryBoundsOf(1024 * mib, 2);
  const told = inMib(bounds);
  expect(Object.keys(told)).toHaveLength(Object.keys(bounds).length);
  expect(told).toMatchObject({ memoryMib: 1024, headMibMax: 72, logReadMibMax: 24, resultsCacheMibMax: 24 });
});

test('the memory of this process is known', () => {
  expect(processMemoryBytes()).toBeGreaterThan(64 * mib);
  expect(Number.isSafeInteger(processMemoryBytes())).toBe(true);
});
