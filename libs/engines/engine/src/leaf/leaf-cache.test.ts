/**
 * A cache that counts less than it holds is no bound: small records take fifty times their bytes when opened.
 */
import { loadHash } from '@loki/model';
import { openSegment } from '@loki/segment';
import { segmentOf } from '../test/blocks.ts';
import { LeafCache } from './leaf-cache.ts';

beforeAll(loadHash);

test('opened records weigh what they take, the latest used stay', () => {
  const cache = new LeafCache(4 * 2 ** 20);
  const bytes = segmentOf([{ labels: { app: 'a' }, ts: 1n, line: 'one row' }]);
  expect(bytes.length).toBeLessThan(1024);
  for (let i = 0; i < 200; i++) {
    cache.keepSegment(`${i}`, openSegment(bytes));
    cache.segment('0');
  }
  const kept = Array.from({ length: 200 }, (_, i) => `${i}`).filter((key) => cache.segment(key));
  // A quarter of the cache is for opened segments.
  expect(kept.length).toBeLessThanOrEqual(2 ** 20 / (12 * 1024));
  expect(kept.length).toBeGreaterThan(60);
  expect(kept).toContain('0');
  expect(kept).toContain('199');
});
