/**
 * Protects requests that share a thread with queries: nothing over many series computes without a pause, nor
 * after its caller left.
 */
import fc from 'fast-check';
import { parseExpr } from '@loki/logql';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, SampleLeafResult } from '@loki/ports';
import { evaluate } from '../root/evaluate.ts';
import { tenant } from '../test/blocks.ts';
import { finish } from '../test/finalize-series.ts';
import { pausingThread } from '../test/thread.ts';
import { complete, sorted } from './sliced-work.ts';

const seriesCount = 6000;
const steps = 10;

function series(name: string): SampleLeafResult {
  const ones = new Float64Array(steps).fill(1);
  return {
    kind: 'samples',
    steps,
    series: Array.from({ length: seriesCount }, (_, i) => {
      const labels: LabelPair[] = [
        ['group', `g${i % 7}`],
        ['pod', `p${(i * 1009) % seriesCount}`],
      ];
      return { labels, columns: [ones, new Float64Array(steps).fill(name === 'a' ? i : 1)] };
    }),
    stats: emptyLeafStats(),
  };
}

const leaves: Readonly<Record<string, SampleLeafResult>> = { a: series('a'), b: series('b') };
const a = 'sum_over_time({q="a"} | unwrap v [1m])';
const b = 'sum_over_time({q="b"} | unwrap v [1m])';

function ask(query: string, pause: () => Promise<void> | undefined, checkCancelled?: () => void) {
  return evaluate(
    parseExpr(query),
    {
      tenant,
      startNs: 0n,
      endNs: BigInt(steps - 1),
      stepNs: 1n,
      isInstant: false,
      direction: 'forward',
      limit: 0,
      intervalNs: 0n,
      seriesMax: 0,
    },
    async (request: LeafRequest) => Promise.resolve(leaves[/q="(\w)"/.exec(request.expr)![1]]),
    { thread: pausingThread(pause), checkCancelled },
  );
}

/** How often a query lets others have the thread when it always has to. */
async function pausesOf(query: string): Promise<number> {
  let pauses = 0;
  await ask(query, () => {
    pauses++;
    return undefined;
  });
  return pauses;
}

const operations: readonly [string, string][] = [
  ['topk', `topk(5, ${a})`],
  ['topk of all', `topk(5000, ${a})`],
  ['bottomk by', `bottomk by (group) (2, ${a})`],
  ['a sum of all', `sum(${a} + 0)`],
  ['an aggregation by many', `max by (pod) (${a})`],
  ['a scalar', `${a} * 2`],
  ['a match', `${a} / ${b}`],
  ['a match on one label', `${a} / on (pod) ${b}`],
  ['a group match', `${a} * on (group) group_left sum by (group) (${b} + 0)`],
  ['and', `${a} and ${b}`],
  ['or', `${a} or ${b}`],
  ['unless', `${a} unless on (pod) ${b}`],
  ['label_replace', `label_replace(${a}, "x", "$1", "pod", "p(.*)")`],
  ['label_replace to equal labels', `label_replace(${a}, "pod", "", "pod", ".*")`],
];

test.each(operations)(
  '%s: computed in pieces of some hundred rows, besides what its leaf takes',
  async (_, query) => {
    const leaf = await pausesOf(a);
    expect(leaf).toBeGreaterThan(seriesCount);
    expect(await pausesOf(query)).toBeGreaterThan(leaf + seriesCount / 600);
  },
);

test.each(operations)('%s: ends at the next pause when its caller has left', async (_, query) => {
  const all = await pausesOf(query);
  const gone = new Error('client went away');
  for (const part of [0.1, 0.5, 0.95]) {
    let pauses = 0;
    const run = ask(
      query,
      () => {
        pauses++;
        return Promise.resolve();
      },
      () => {
        if (pauses >= all * part) throw gone;
      },
    );
    await expect(run).rejects.toBe(gone);
    expect(pauses).toBe(Math.ceil(all * part));
  }
});

test('work in pieces sorts as sorting does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 5000, size: 'max' }), (keys) => {
      const items = keys.map((key, at) => ({ key, at }));
      const byKey = (x: { key: number }, y: { key: number }) => x.key - y.key;
      expect(finish(sorted(items, byKey))).toEqual(items.toSorted(byKey));
      const inOrder = items.toSorted(byKey);
      expect(finish(sorted(inOrder, byKey))).toEqual(inOrder);
    }),
    { numRuns: 30 },
  );
});

test('work waits for the promise that it yields', async () => {
  let waits = 0;
  const items = Array.from({ length: 4000 }, (_, i) => (i * 1009) % 4000);
  const pause = () => {
    waits++;
    return Promise.resolve();
  };
  const result = await complete(
    sorted(items, (x, y) => x - y),
    pause,
    () => undefined,
  );
  expect(result).toEqual(items.toSorted((x, y) => x - y));
  expect(waits).toBeGreaterThan(8);
});
