import { memoryBoundsOf, processMemoryBytes } from './memory-bounds.ts';

// Protects small containers from bounds that were made for large machines, and large machines from smaller
// ones than they had.

const mib = 2 ** 20;

test.each([256, 512, 1024, 2048, 4096, 65_536])(
  'in %d MiB all that may be held fits beside the process at rest',
  (size) => {
    for (const threads of [1, 2, 8, 64]) {
      const bounds = memoryBoundsOf(size * mib, threads);
      const held =
        bounds.bodyBytesMax +
        bounds.pushBytesMax +
        bounds.blockCacheBytesMax +
        threads * bounds.leafBytesMaxPerThread +
        bounds.rootBytesMax;
      expect(held).toBeLessThanOrEqual(0.75 * Math.max(size - 256, size / 4) * mib);
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
    threadHeapMib: 1024,
  });
});

test('the memory of this process is known', () => {
  expect(processMemoryBytes()).toBeGreaterThan(64 * mib);
  expect(Number.isSafeInteger(processMemoryBytes())).toBe(true);
});
