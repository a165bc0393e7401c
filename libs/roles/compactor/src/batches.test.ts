/**
 * Protects: merges of many tenants read their common inputs once and are committed together, within bounds;
 * and a damaged input stops its own tenant's day alone.
 */
import type { SegmentRef } from '@loki/catalog';
import { batchesOf } from './batches.ts';
import type { MergePlan } from './plan.ts';
import { epochNs, TestWorld } from './test/world.ts';

function input(key: string, lineBytes: number, sizeBytes = 1 << 20): SegmentRef {
  return {
    key,
    partition: 0,
    startOffset: 0,
    endOffset: 1,
    minNs: 0n,
    maxNs: 9n,
    rowCount: 0,
    lineBytes,
    sizeBytes,
    level: 0,
    createdMs: 0,
  };
}

function planOf(tenant: string, flushed: readonly SegmentRef[]): MergePlan {
  return { tenant, day: 0, compacted: [], flushed, level: 1 };
}

function tenantsOf(plans: readonly MergePlan[], inputBytesMax: number): string[][] {
  return batchesOf(plans, { inputBytesMax }).map((batch) => batch.plans.map(({ tenant }) => tenant));
}

describe('batches', () => {
  const shared = ['x', 'y'].map((key) => input(key, 1_000));

  test('merges with the same inputs run together, and read these as a whole', () => {
    const plans = [planOf('c', shared), planOf('z', [input('q', 5)]), planOf('a', shared)];
    expect(tenantsOf(plans, 1 << 30)).toEqual([['z', 'a', 'c']]);
    expect(batchesOf(plans, { inputBytesMax: 1 << 30 })[0].wholeKeys).toEqual(['x', 'y']);
  });

  test('a batch stays within its bytes, and a merge beyond them runs alone', () => {
    const plans = ['a', 'b', 'c', 'd'].map((tenant) => planOf(tenant, shared));
    expect(tenantsOf(plans, 4_000)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(tenantsOf(plans, 1)).toEqual([['a'], ['b'], ['c'], ['d']]);
  });

  test('a large input is read block by block where its merges want little of it, or memory is short', () => {
    const large = [input('large', 1_000, 100 << 20)];
    const plans = [planOf('a', large), planOf('b', large)];
    expect(batchesOf(plans, { inputBytesMax: 1 << 30 })[0].wholeKeys).toEqual([]);
    const inputs = [input('large', 30 << 20, 100 << 20)];
    const eager = [planOf('a', inputs), planOf('b', inputs)];
    expect(batchesOf(eager, { inputBytesMax: 1 << 30 })[0].wholeKeys).toEqual(['large']);
    expect(batchesOf(eager, { inputBytesMax: 62 << 20 })[0].wholeKeys).toEqual([]);
  });

  test('a thousand merges are one manifest at most', () => {
    const plans = Array.from({ length: 1_001 }, (_, i) => planOf(`t${i}`, shared));
    expect(tenantsOf(plans, 1 << 30).map(({ length }) => length)).toEqual([1_000, 1]);
  });
});

describe('a round over flushes of two tenants', () => {
  async function flushed(): Promise<TestWorld> {
    const world = new TestWorld(1);
    await world.do(world.reader.refresh());
    for (let flush = 0; flush < 3; flush++) {
      world.append(
        ['a', 'b'].map((tenant) => {
          return { tenant, stream: 0, ts: epochNs + BigInt(flush), line: `n=${flush} of ${tenant}` };
        }),
      );
      await world.flush(0);
    }
    return world;
  }

  test('commits once for both', async () => {
    const world = await flushed();
    const { compactor } = world.compactor();
    await world.do(compactor.runOnce());
    expect(world.keys('compacted/a/')).toHaveLength(1);
    expect(world.keys('compacted/b/')).toHaveLength(1);
    expect(world.keys('catalog/compactions/')).toHaveLength(1);
    expect(world.errors).toEqual([]);
  });

  test('compacts the day of the one although the other’s is damaged', async () => {
    const world = await flushed();
    const bytes = world.bucket.objects.get(world.keys('segments/0/')[1])!;
    // The first bytes after the header are a block of tenant a.
    bytes[12] ^= 0x55;
    const { compactor } = world.compactor();
    await world.do(compactor.runOnce());
    expect(world.keys('compacted/a/')).toEqual([]);
    expect(world.keys('compacted/b/')).toHaveLength(1);
    expect(world.errors.filter((error) => error.includes('a day could not be compacted'))).toEqual([
      expect.stringContaining('"tenant":"a"'),
    ]);
  });
});
