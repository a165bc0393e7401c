import { columns } from '@loki/segment';
import type { Block, BlockInfo } from '@loki/segment';
import { BlockCache } from './block-cache.ts';
import type { PartedBlock } from './parted-block.ts';

/** Bytes that each block of these tests takes. */
const weight = 1000;
const mask = columns.lines;

function blockOf(bytes: number): Block {
  return { memoryBytes: () => bytes, freeLines: () => undefined } as unknown as Block;
}

/** Uses a block as a scan does. True: it was there. */
function use(cache: BlockCache, key: string, bytes = weight): boolean {
  const entry = cache.entry(key, {} as BlockInfo);
  const isThere = entry.missing(mask, undefined) === 0;
  if (!isThere) entry.add({ block: blockOf(bytes), mask, names: undefined });
  cache.release(key);
  return isThere;
}

/** Uses blocks `name`0 .. `name`(count - 1) in order; how many were there. */
function scan(cache: BlockCache, name: string, count: number): number {
  let hits = 0;
  for (let i = 0; i < count; i++) if (use(cache, `${name}${i}`)) hits++;
  return hits;
}

test.each([110, 140, 200, 400])('of %i blocks that are read in turn, as many stay as have room', (count) => {
  const cache = new BlockCache(100 * weight);
  scan(cache, 'a', count);
  for (let pass = 0; pass < 5; pass++) {
    expect(scan(cache, 'a', count)).toBeGreaterThanOrEqual(85);
    expect(cache.bytes).toBeLessThanOrEqual(100 * weight);
  }
});

test('all blocks of a scan that fits stay', () => {
  const cache = new BlockCache(100 * weight);
  scan(cache, 'a', 80);
  expect(scan(cache, 'a', 80)).toBe(80);
});

test('one scan of much leaves what is read again and again', () => {
  const cache = new BlockCache(100 * weight);
  for (let pass = 0; pass < 3; pass++) scan(cache, 'often', 50);
  scan(cache, 'once', 1000);
  expect(scan(cache, 'often', 50)).toBeGreaterThanOrEqual(45);
});

test('blocks that are read no more make room with the second reading of others', () => {
  const cache = new BlockCache(100 * weight);
  for (let pass = 0; pass < 3; pass++) scan(cache, 'old', 100);
  scan(cache, 'new', 80);
  scan(cache, 'new', 80);
  expect(scan(cache, 'new', 80)).toBeGreaterThanOrEqual(70);
});

test('a scan that runs close behind another finds all of its blocks', () => {
  const cache = new BlockCache(100 * weight);
  for (let pass = 0; pass < 3; pass++) scan(cache, 'old', 100);
  let hits = 0;
  for (let i = 0; i < 300; i++) {
    use(cache, `b${i}`);
    if (i >= 8 && use(cache, `b${i - 8}`)) hits++;
  }
  expect(hits).toBe(292);
});

test('scans side by side of more than fits find what stayed of their last reading', () => {
  const cache = new BlockCache(100 * weight);
  let hits = 0;
  for (let pass = 0; pass < 4; pass++) {
    hits = 0;
    for (let i = 0; i < 200; i++) {
      if (use(cache, `b${i}`)) hits++;
      for (let panel = 1; panel < 4; panel++) if (i >= panel) use(cache, `b${i - panel}`);
    }
  }
  expect(hits).toBeGreaterThanOrEqual(80);
});

test('a block that grows in use is weighed anew, and others make room for it', () => {
  const cache = new BlockCache(10 * weight);
  scan(cache, 'a', 8);
  const entry = cache.entry('a0', {} as BlockInfo);
  entry.add({ block: blockOf(7 * weight), mask: columns.metadata, names: undefined });
  cache.release('a0');
  expect(cache.bytes).toBeLessThanOrEqual(10 * weight);
  expect(cache.bytes).toBeGreaterThanOrEqual(8 * weight);
});

test('blocks that were fetched ahead stay until their scan comes, whatever other scans read', () => {
  const cache = new BlockCache(10 * weight);
  const ahead = cache.entry('ahead', {} as BlockInfo);
  scan(cache, 'a', 1000);
  expect(cache.entry('ahead', {} as BlockInfo)).toBe(ahead);
  // Uses of scans that ended early are dropped, too.
  for (let i = 0; i < 1000; i++) cache.entry(`b${i}`, {} as BlockInfo);
  expect(cache.entry('ahead', {} as BlockInfo)).not.toBe(ahead);
});

test('nothing stays of a cache that was cleared, nor of one without room', () => {
  const cache = new BlockCache(100 * weight);
  scan(cache, 'a', 50);
  cache.clear();
  expect(cache.bytes).toBe(0);
  expect(scan(cache, 'a', 50)).toBe(0);
  const none = new BlockCache(0);
  scan(none, 'a', 50);
  expect([scan(none, 'a', 50), none.bytes]).toEqual([0, 0]);
});

test('the lines of an evicted block are freed at once, unless a scan holds the block', () => {
  const cache = new BlockCache(100 * weight);
  const freed: string[] = [];
  const visit = (key: string): PartedBlock => {
    const entry = cache.entry(key, {} as BlockInfo);
    const block = { memoryBytes: () => weight, freeLines: () => freed.push(key) } as unknown as Block;
    if (entry.missing(mask, undefined) !== 0) entry.add({ block, mask, names: undefined });
    return entry;
  };
  scan(cache, 'first', 100);
  const held = visit('held');
  held.holders++;
  cache.release('held');
  for (let i = 0; i < 300; i++) {
    visit(`other${i}`);
    cache.release(`other${i}`);
  }
  expect(cache.peek('held')).toBeUndefined();
  expect(freed).not.toContain('held');
  expect(held.missing(mask, undefined)).toBe(0);
  // All others that have no room any more are free, each once.
  const evicted = Array.from({ length: 300 }, (_, i) => `other${i}`).filter((key) => !cache.peek(key));
  expect(evicted.length).toBeGreaterThanOrEqual(200);
  expect(freed).toEqual(evicted);
});
