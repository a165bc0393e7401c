/**
 * Protects queries over a store that is far away: few requests, and no more bytes on their way than allowed.
 */
import type { BlockInfo } from '@loki/segment';
import type { Candidate } from './block-candidates.ts';
import { ReadAhead } from './read-ahead.ts';
import type { SectionReader } from './section-reader.ts';

const mib = 1 << 20;
const need = { mask: 1 };

/** A reader that tells which blocks are asked for together. */
function reading(sizes: readonly number[]) {
  const asked: number[][] = [];
  const reader = {
    storedBytes: ({ index }: BlockInfo) => sizes[index],
    prefetch: (infos: readonly BlockInfo[]) => void asked.push(infos.map(({ index }) => index)),
  } as unknown as SectionReader;
  const candidates = sizes.map((_, index) => ({ reader, info: { index } }) as unknown as Candidate);
  return { asked, candidates };
}

test('small columns of hundreds of blocks are asked for at once', () => {
  const { asked, candidates } = reading(Array.from({ length: 400 }, () => 8_000));
  const ahead = new ReadAhead(candidates, { needOf: () => need });
  for (let at = 0; at < candidates.length; at++) ahead.moveTo(at);
  expect(asked).toEqual([candidates.map((_, index) => index)]);
});

test('each block is asked for once, before the scan comes to it, and never more than 8 MiB are ahead', () => {
  const sizes = Array.from({ length: 300 }, (_, i) => (i % 7 === 0 ? 0 : 40_000 + ((i * 7919) % 400_000)));
  const { asked, candidates } = reading(sizes);
  const ahead = new ReadAhead(candidates, { needOf: () => need });
  const requested = new Set<number>();
  for (let at = 0; at < candidates.length; at++) {
    ahead.moveTo(at);
    for (const index of asked.splice(0).flat()) {
      expect(requested.has(index)).toBe(false);
      requested.add(index);
    }
    expect(requested.has(at)).toBe(sizes[at] > 0);
    const aheadBytes = [...requested].reduce((sum, index) => sum + (index > at ? sizes[index] : 0), 0);
    expect(aheadBytes).toBeLessThanOrEqual(8 * mib);
  }
});

test('a scan that may soon have enough reads little ahead at first', () => {
  const { asked, candidates } = reading(Array.from({ length: 200 }, () => mib / 4));
  const ahead = new ReadAhead(candidates, { needOf: () => need, firstBytes: mib });
  ahead.moveTo(0);
  expect(asked.flat().length).toBe(4);
  for (let at = 1; at < 100; at++) ahead.moveTo(at);
  expect(asked.map((group) => group.length).slice(0, 4)).toEqual([4, 6, 12, 24]);
});

test('a block larger than all that may be ahead is asked for when the scan is there', () => {
  const { asked, candidates } = reading([1, 20 * mib, 1]);
  const ahead = new ReadAhead(candidates, { needOf: () => need });
  for (let at = 0; at < 3; at++) ahead.moveTo(at);
  expect(asked).toEqual([[0], [1], [2]]);
});
