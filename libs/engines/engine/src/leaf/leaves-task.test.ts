/** Protects queries over many segments: one message gives the answer of a message for each segment. */
import type { LeafRequest, WorkerEnv } from '@loki/ports';
import { atOnce } from '../common/sliced-work.ts';
import { mergeLeafResults } from '../merge/merge-leaf-results.ts';
import { unpackLeafResult } from '../merge/packed-result.ts';
import { runLeaf, segmentOf, tenant, testEnv } from '../test/blocks.ts';
import type { TestRow } from '../test/blocks.ts';
import { leavesTask } from './leaves-task.ts';
import type { LeafSource } from './open-section.ts';

const segments = [0, 1, 2].map((segment): TestRow[] =>
  Array.from({ length: 5 + segment }, (_, row) => ({
    labels: { app: row % 2 === 0 ? 'a' : 'b' },
    ts: BigInt(10 * segment + row),
    line: `segment ${segment} row ${row}`,
    metadata: { pod: `p${row % 3}` },
  })),
);
const objects = new Map(segments.map((rows, i) => [`s${i}`, segmentOf(rows)]));
const sources = [...objects.keys()].map((key): LeafSource => ({ kind: 'object', key }));

/** Each reading of the clock is a millisecond after the last one. */
function tickingEnv(): WorkerEnv {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs++ } as WorkerEnv['clock'];
  return { ...testEnv(objects), clock };
}

const count: LeafRequest = {
  kind: 'samples',
  tenant,
  expr: 'sum by (app, pod) (count_over_time({app=~".+"} |= "row" [1ms]))',
  startNs: 10n,
  endNs: 40n,
  stepNs: 10n,
  seriesMax: 0,
};

test('segments that share a leaf give the merged result of each, and the cost of each', async () => {
  const env = tickingEnv();
  const { results, costs } = await leavesTask.run({ request: count, leaves: [{ sources }] }, env);
  expect(results).toHaveLength(1);
  const { stats, ...result } = atOnce(unpackLeafResult(results[0]));
  const single = await Promise.all(sources.map((source) => runLeaf(count, [source], tickingEnv())));
  const { stats: mergedStats, ...merged } = atOnce(mergeLeafResults(count, single));
  expect(result).toEqual(merged);
  expect({ ...stats, fetchMs: 0 }).toEqual({ ...mergedStats, fetchMs: 0 });
  expect(costs.map(({ lines }) => lines)).toEqual([5, 6, 7]);
  expect(costs.map(({ lineBytes }) => lineBytes)).toEqual(single.map((each) => each.stats.lineBytes));
  expect(costs.map(({ storedBytes }) => storedBytes)).toEqual(
    single.map((each) => each.stats.compressedBytes),
  );
  expect(costs.every(({ fetchMs, durationMs }) => fetchMs > 0 && durationMs > 0)).toBe(true);
  expect(costs.map(({ startMs }) => startMs)).toEqual(
    costs.map(({ startMs }) => startMs).sort((a, b) => a - b),
  );
  // A second task has everything in memory.
  const warm = await leavesTask.run({ request: count, leaves: [{ sources }] }, env);
  expect(warm.costs.map(({ storedBytes }) => storedBytes)).toEqual([0, 0, 0]);
});

test('leaves of one task have their own results and times', async () => {
  const request: LeafRequest = {
    kind: 'log',
    tenant,
    expr: '{app=~".+"} |= "row"',
    startNs: 0n,
    endNs: 100n,
    direction: 'backward',
    limit: 4,
  };
  const windows = [
    { startNs: 0n, endNs: 3n },
    { startNs: 0n, endNs: 100n },
    { startNs: 22n, endNs: 24n },
  ];
  const leaves = sources.map((source, i) => ({ sources: [source], window: windows[i] }));
  const { results, costs } = await leavesTask.run({ request, leaves }, testEnv(objects));
  const alone = await Promise.all(
    sources.map((source, i) => runLeaf({ ...request, ...windows[i] }, [source], testEnv(objects))),
  );
  expect(results.map((result) => atOnce(unpackLeafResult(result)))).toEqual(alone);
  expect(costs.map(({ lines }) => lines)).toEqual(alone.map(({ stats }) => stats.linesProcessed));
});

test('results that wait for the last leaf count in the memory of the worker', async () => {
  const env = { ...testEnv(objects), stateBytesMax: 8000 };
  const leaves = sources.map((source) => ({ sources: [source] }));
  const one = await leavesTask.run({ request: count, leaves: leaves.slice(0, 1) }, env);
  expect(one.results).toHaveLength(1);
  const all = leavesTask.run({ request: count, leaves: [...leaves, ...leaves, ...leaves] }, env);
  await expect(Promise.resolve(all)).rejects.toMatchObject({
    message: expect.stringContaining('memory') as string,
  });
});
