/**
 * Protects estimates: a dry run reads no block, and counts each block once, for the reason that rules it out.
 */
import type { LeafRequest, LeafStats } from '@loki/ports';
import { runLeaf, segmentOf, tenant, testEnv } from '../test/blocks.ts';
import type { TestRow } from '../test/blocks.ts';

/** Four streams one after the other in time, in blocks of about 25 lines. */
const rows: TestRow[] = Array.from({ length: 400 }, (_, i) => ({
  labels: { app: 'abcd'[Math.floor(i / 100)] },
  ts: BigInt(1 + i),
  line: `line number ${String(i).padStart(4, '0')} with some text`,
}));
const segment = segmentOf(rows, 1024);
const env = testEnv(new Map([['k', segment]]));

async function statsOf(request: LeafRequest): Promise<LeafStats> {
  const result = await runLeaf(request, [{ kind: 'object', key: 'k' }], env);
  if (request.isDryRun) {
    expect(result.kind === 'log' ? result.timestampNs.length : result.series.length).toBe(0);
  }
  return result.stats;
}

const log = (expr: string, more: Partial<LeafRequest> = {}) =>
  ({
    kind: 'log',
    tenant,
    expr,
    startNs: 0n,
    endNs: 1000n,
    direction: 'forward',
    limit: 0,
    isDryRun: true,
    ...more,
  }) as LeafRequest;

const samples = (expr: string, endNs = 1000n) =>
  ({
    kind: 'samples',
    tenant,
    expr,
    startNs: endNs,
    endNs,
    stepNs: 0n,
    seriesMax: 0,
    isDryRun: true,
  }) as const;

test('every block is counted once: out of time, of other streams, or to be read', async () => {
  const all = await statsOf(log('{app=~".+"}'));
  expect(all).toMatchObject({
    segments: 1,
    blocksOutOfTime: 0,
    blocksOfOtherStreams: 0,
    linesProcessed: 400,
  });
  const some = await statsOf(log('{app="b"}', { startNs: 0n, endNs: 250n }));
  expect(some.blocksOutOfTime).toBeGreaterThan(0);
  expect(some.blocksOfOtherStreams).toBeGreaterThan(0);
  expect(some.blocksOutOfTime + some.blocksOfOtherStreams + some.blocksMatched).toBe(all.blocksMatched);
  expect(some).toMatchObject({ linesProcessed: 100, lineBytes: 3100 });
});

test('as many lines and bytes as the leaf itself reads', async () => {
  for (const expr of ['{app="a"} |= "number"', '{app=~"a|c"} | json']) {
    const [dry, wet] = [await statsOf(log(expr)), await statsOf(log(expr, { isDryRun: false }))];
    expect(dry).toMatchObject({ linesProcessed: wet.linesProcessed, lineBytes: wet.lineBytes });
    expect(dry.blocksMatched).toBe(wet.blocksMatched);
  }
});

test('blocks beyond those that surely fill a limit are not read', async () => {
  const limited = await statsOf(log('{app=~".+"}', { limit: 30 } as Partial<LeafRequest>));
  expect(limited.linesProcessed).toBeLessThan(100);
  expect(limited.blocksSkipped).toBeGreaterThan(0);
  // A filter may leave nothing of them.
  expect(await statsOf(log('{app=~".+"} |= "x"', { limit: 30 } as Partial<LeafRequest>))).toMatchObject({
    linesProcessed: 400,
    blocksSkipped: 0,
  });
});

test('blocks that the index answers count no line', async () => {
  const counted = await statsOf(samples('count_over_time({app=~".+"}[1h])'));
  expect(counted).toMatchObject({ blocksMatched: 0, linesProcessed: 0, compressedBytes: 0 });
  expect(counted.blocksSkipped).toBeGreaterThan(0);
  const filtered = await statsOf(samples('count_over_time({app="a"} |= "text" [1h])'));
  expect(filtered).toMatchObject({ blocksSkipped: 0, linesProcessed: 100, lineBytes: 3100 });
});

test('no column is fetched', async () => {
  const fresh = testEnv(new Map([['k', segment]]));
  let reads = 0;
  const store = fresh.objectStore;
  const counting = {
    getTail: (key: string, length: number) => (reads++, store.getTail(key, length)),
    getRange: (key: string, offset: number, length: number) => (reads++, store.getRange(key, offset, length)),
  };
  await runLeaf(log('{app=~".+"} |= "x"'), [{ kind: 'object', key: 'k' }], {
    ...fresh,
    objectStore: counting as unknown as typeof store,
  });
  // The footer, in two reads at most.
  expect(reads).toBeLessThanOrEqual(2);
});
