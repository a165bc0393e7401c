/**
 * A cache that counts less than it holds is no bound: small records take fifty times their bytes when opened.
 */
import { loadHash } from '@loki/model';
import { openSegment, readSegment } from '@loki/segment';
import { segmentOf, testEnv } from '../test/blocks.ts';
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

test('opened segments of a store weigh the bytes they hold and what their index takes', async () => {
  const rows = (streams: number, perStream: number) =>
    Array.from({ length: streams * perStream }, (_, i) => ({
      labels: { app: `a${Math.floor(i / perStream)}` },
      ts: BigInt(i + 1),
      line: `line ${i}`,
    }));
  const weightOf = async (streams: number, perStream: number, blockBytes?: number) => {
    const objects = new Map([['s', segmentOf(rows(streams, perStream), blockBytes)]]);
    const segment = await readSegment(testEnv(objects).objectStore, 's');
    return new LeafCache(1).weightOf(segment) - Math.min(objects.get('s')!.length, 64 * 1024);
  };
  // Small segments of a flush, of which many are open, and a large one.
  expect(await weightOf(26, 10)).toBeLessThan(40 * 1024);
  expect(await weightOf(26, 10)).toBeGreaterThan(20 * 1024);
  expect(await weightOf(200, 20, 300)).toBeGreaterThan(400 * 1024);
});
