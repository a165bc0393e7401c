/** Protects queries for the newest lines: they read the blocks of the newest rows, not one of each stream. */
import { loadHash } from '@loki/model';
import { mergeSegments } from '@loki/segment';
import { plainRows, runLog, segmentOf, testEnv } from '../test/blocks.ts';
import type { TestRow } from '../test/blocks.ts';

beforeAll(loadHash);

const rows = Array.from({ length: 20 }, (_, stream) =>
  Array.from({ length: 100 }, (__, i): TestRow => ({
    labels: { app: `app-${stream}` },
    ts: BigInt(i * 1000 + stream),
    line: `line ${i} of stream ${stream}`.padEnd(40),
  })),
).flat();

async function newest(newestBytes: readonly number[], limit: number) {
  const options = { kind: 'flushed', blockBytes: 2000, newestBytes } as const;
  const { bytes } = mergeSegments([{ bytes: segmentOf(rows, undefined, 'record') }], options);
  const env = testEnv(new Map([['k', bytes]]));
  const result = await runLog(
    { expr: '{app=~".+"}', direction: 'backward', limit },
    [{ kind: 'object', key: 'k' }],
    env,
  );
  return { blocks: result.stats.blocksMatched, rows: plainRows(result) };
}

test('of many streams they are in one block', async () => {
  const cut = await newest([16_000, 2000], 20);
  expect(cut.rows.map(({ ts }) => ts)).toEqual(Array.from({ length: 20 }, (_, i) => BigInt(99_019 - i)));
  expect(cut.blocks).toBe(1);
  const uncut = await newest([], 20);
  expect(uncut.rows).toEqual(cut.rows);
  // As many as the segment has.
  expect(uncut.blocks).toBeGreaterThanOrEqual(20);
});

test('more lines than the newest block has are read from the blocks before it', async () => {
  const cut = await newest([16_000, 2000], 150);
  expect(cut.rows).toEqual((await newest([], 150)).rows);
  expect(cut.blocks).toBeLessThanOrEqual(9);
});
