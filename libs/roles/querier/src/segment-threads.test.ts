/** Protects the caches of threads: a segment that moves to another thread is decoded there once more. */
import { SegmentThreads } from './segment-threads.ts';

test('a segment keeps its thread, and threads have about as many bytes', () => {
  const threads = new SegmentThreads(3);
  const sizes = [100, 90, 10, 80, 70, 5, 60, 40, 95];
  const first = sizes.map((sizeBytes, i) => threads.of({ key: `s${i}`, sizeBytes }));
  const second = sizes.map((sizeBytes, i) => threads.of({ key: `s${i}`, sizeBytes }));
  expect(second).toEqual(first);
  const bytes = [0, 0, 0];
  first.forEach((thread, i) => (bytes[thread] += sizes[i]));
  expect(Math.max(...bytes) - Math.min(...bytes)).toBeLessThanOrEqual(100);
  expect(Math.min(...bytes)).toBeGreaterThan(0);
});

test('segments that are read no more give up their part of a thread', () => {
  const threads = new SegmentThreads(2);
  const heavy = threads.of({ key: 'heavy', sizeBytes: 1e9 });
  const counts = [0, 0];
  for (let i = 0; i < 30_000; i++) counts[threads.of({ key: `s${i}`, sizeBytes: 100 })]++;
  // Until it is forgotten the thread of the heavy one has nothing else.
  expect(counts[heavy]).toBeGreaterThan(5_000);
  expect(counts[heavy]).toBeLessThan(20_000);
});
