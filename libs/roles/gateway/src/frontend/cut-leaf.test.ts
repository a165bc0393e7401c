/**
 * Protects: little is left whole, much is cut on borders that do not move, and never finer than it is worth.
 */
import type { TenantId } from '@loki/model';
import type { LeafRequest, LogLeafRequest, SampleLeafRequest } from '@loki/ports';
import { cutLeaf } from './cut-leaf.ts';
import type { CutLimits } from './cut-leaf.ts';
import { Weights } from './weights.ts';

const hour = 3_600_000_000_000n;
const tenant = 'a' as TenantId;
const limits: CutLimits = {
  splitNs: hour,
  bytesPerShard: 100,
  shardsMax: 16,
  strategy: 'power_of_two',
  shardBeforeNs: 1n << 62n,
  shardAggregations: [],
};
const log: LogLeafRequest = {
  kind: 'log',
  tenant,
  expr: '{a="b"} |= "x"',
  startNs: hour / 2n,
  endNs: 10n * hour + 1n,
  direction: 'backward',
  limit: 10,
};
const samples: SampleLeafRequest = {
  kind: 'samples',
  tenant,
  expr: 'rate({a="b"}[1h])',
  startNs: hour,
  endNs: 10n * hour,
  stepNs: hour / 4n,
  seriesMax: 0,
};
const weights = (...bytes: number[]) => new Weights(0n, hour, bytes);

function plan(request: LeafRequest, of: Weights | undefined, more: Partial<CutLimits> = {}) {
  return cutLeaf(request, of, { ...limits, ...more }).map(({ request: each, shards }) => ({
    from: Number((each.startNs * 4n) / hour) / 4,
    to: Number((each.endNs * 4n) / hour) / 4,
    shards: shards.length,
  }));
}

test('a small or unknown amount is not cut', () => {
  const whole = [{ from: 0.5, to: 10, shards: 0 }];
  expect(plan(log, weights(100, 0, 0))).toEqual(whole);
  expect(plan(log, undefined)).toEqual(whole);
});

test('log lines are cut at whole intervals, neighbours together up to the size', () => {
  expect(plan(log, weights(100, 40, 60, 30, 80, 10, 0, 0, 0, 0, 50))).toEqual([
    { from: 0.5, to: 2, shards: 0 },
    { from: 2, to: 4, shards: 0 },
    { from: 4, to: 10, shards: 0 },
  ]);
});

test('what is large within one interval is cut by stream', () => {
  const much = weights(0, 350, 50, 50);
  expect(plan(log, much)).toEqual([
    { from: 0.5, to: 1, shards: 0 },
    { from: 1, to: 2, shards: 4 },
    { from: 2, to: 10, shards: 0 },
  ]);
  expect(plan(log, much, { strategy: 'bounded' })[1].shards).toBe(4);
  expect(plan(log, weights(0, 250, 60), { strategy: 'bounded' })[1].shards).toBe(3);
  expect(plan(log, weights(0, 1e9), { shardsMax: 12 })[1].shards).toBe(8);
  expect(plan(log, much, { shardsMax: 1 })[1].shards).toBe(0);
  expect(plan(log, much, { shardBeforeNs: hour })[1].shards).toBe(0);
});

test('without an interval there are shards only', () => {
  expect(plan(log, weights(100, 150), { splitNs: 0n })).toEqual([{ from: 0.5, to: 10, shards: 4 }]);
});

test('steps are cut so that each is in one part, and parts are at least as long as the range', () => {
  const even = weights(90, 90, 90, 90, 90, 90, 90, 90, 90, 90, 90);
  const parts = plan(samples, even);
  expect(parts[0]).toEqual({ from: 1, to: 1, shards: 0 });
  expect(parts.slice(1).map(({ from, to }) => [from, to])).toEqual(
    Array.from({ length: 9 }, (_, i) => [i + 1.25, i + 2]),
  );
  const wide = plan({ ...samples, expr: 'rate({a="b"}[3h])' }, even);
  expect(wide.map(({ from, to }) => [from, to])).toEqual([
    [1, 3],
    [3.25, 6],
    [6.25, 9],
    [9.25, 10],
  ]);
});

test('one step over a long range is cut into windows', () => {
  const instant = { ...samples, expr: 'rate({a="b"}[6h])', startNs: 8n * hour, endNs: 8n * hour, stepNs: 0n };
  const parts = cutLeaf(instant, weights(90, 90, 90, 90, 90, 90, 90, 90, 90), limits);
  expect(parts.map(({ request }) => [request.expr, request.endNs / hour])).toEqual(
    [3n, 4n, 5n, 6n, 7n, 8n].map((end) => ['rate({a="b"}[1h])', end]),
  );
});

test('what depends on the time of the query is not cut in time, what depends on order not by stream', () => {
  const much = weights(500, 500);
  expect(plan({ ...log, expr: '{a="b"} | line_format "{{ now }}"' }, much)).toEqual([
    { from: 0.5, to: 10, shards: 16 },
  ]);
  const last = { ...samples, expr: 'last_over_time({a="b"} | unwrap v [1h])' };
  expect(plan(last, much).every(({ shards }) => shards === 0)).toBe(true);
  expect(plan(last, much, { shardAggregations: ['last_over_time'] }).some(({ shards }) => shards > 0)).toBe(
    true,
  );
});

describe('what ingesters may still hold', () => {
  const recent = { fromNs: 8n * hour, splitNs: hour / 4n };
  const even = weights(...Array.from({ length: 11 }, () => 100));

  test('is cut at multiples of an interval of its own', () => {
    const logs = plan(log, even, { recent, bytesPerShard: 25 }).map(({ from }) => from);
    expect(logs).toEqual([0.5, 1, 2, 3, 4, 5, 6, 7, 8, 8.25, 8.5, 8.75, 9, 9.25, 9.5, 9.75, 10]);
    expect(plan(log, even, { bytesPerShard: 25 }).map(({ from }) => from)).toEqual([
      0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    const short = { ...samples, expr: 'rate({a="b"}[5m])', stepNs: hour / 8n };
    const steps = cutLeaf(short, even, { ...limits, recent, bytesPerShard: 25 }) as {
      request: SampleLeafRequest;
    }[];
    // Steps on a border belong to the interval before it.
    expect(steps.map(({ request }) => Number((request.startNs * 8n) / hour) / 8).slice(-10)).toEqual([
      6.125, 7.125, 8.125, 8.375, 8.625, 8.875, 9.125, 9.375, 9.625, 9.875,
    ]);
    const all = steps.flatMap(({ request: { startNs, endNs, stepNs } }) =>
      Array.from({ length: Number((endNs - startNs) / stepNs) + 1 }, (_, i) => startNs + BigInt(i) * stepNs),
    );
    expect(all).toEqual(Array.from({ length: 73 }, (_, i) => samples.startNs + BigInt(i) * (hour / 8n)));
  });

  test('but never finer than a step’s range, nor into more parts than there may be', () => {
    const parts = plan({ ...samples, stepNs: hour / 4n }, even, { recent, bytesPerShard: 25 });
    expect(parts.map(({ from }) => from).slice(-3)).toEqual([7.25, 8.25, 9.25]);
    const tiny = { fromNs: 0n, splitNs: 1n };
    expect(plan(log, even, { recent: tiny, bytesPerShard: 0.001 }).length).toBeLessThan(2100);
  });
});
