import fc from 'fast-check';
import { parseExpr } from '@loki/logql';
import type { TenantId } from '@loki/model';
import type { SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import { asSampleLeaf, rangeAggOf } from '../common/leaf-expr.ts';
import { compareLabels } from '../common/series-labels.ts';
import { atOnce } from '../common/sliced-work.ts';
import { finalizeSeries } from '../test/finalize-series.ts';
import { naiveLeaf } from '../test/naive-leaf.ts';
import type { NaiveEntry } from '../test/naive-leaf.ts';
import { stepCount } from './merge-samples.ts';
import { cutSampleResult, joinSampleParts, mergeRangeParts } from './sample-parts.ts';
import {
  ceilTo,
  floorTo,
  isShardable,
  isSplittable,
  joinRanges,
  splitRange,
  splitSteps,
} from './time-splits.ts';

const join = (...args: Parameters<typeof joinSampleParts>) => atOnce(joinSampleParts(...args));

// Protects the cut of time: an answer must not show how a leaf's time was cut, nor that a part of its answer
// was kept from before.

const second = 1_000_000_000n;

const queries = [
  'count_over_time({app=~"a|b"}[25s])',
  'sum by (app) (rate({app=~"a|b"} | logfmt | unwrap v [25s]))',
  'bytes_rate({app=~"a|b"}[10s] offset 5s)',
  'avg_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  'min by (app) (min_over_time({app=~"a|b"} | logfmt | unwrap v [25s]))',
  'max_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by ()',
  'stddev_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  'first_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  'last_over_time({app=~"a|b"} | logfmt | unwrap v [25s] offset -3s) by (x)',
  'quantile_over_time(0.7, {app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  'rate_counter({app=~"a|b"} | logfmt | unwrap v [25s])',
  'absent_over_time({app="a"}[10s])',
];

// Timestamps are unique, so that first and last have one answer. Some lie on the borders of steps and
// intervals.
const entriesArbitrary = fc
  .uniqueArray(
    fc.record({
      ms: fc.oneof(
        fc.integer({ min: 1, max: 120_000 }),
        fc.integer({ min: 0, max: 24 }).map((k) => k * 5000),
      ),
      app: fc.constantFrom('a', 'b'),
      x: fc.constantFrom('1', '2'),
      v: fc.integer({ min: -50, max: 50 }),
    }),
    { selector: (row) => row.ms, maxLength: 40 },
  )
  .map((rows) =>
    rows.map((row): NaiveEntry => ({
      timestampNs: BigInt(row.ms) * 1_000_000n,
      line: `x=${row.x} v=${row.v}`,
      labels: new Map([['app', row.app]]),
    })),
  );

function run(entries: readonly NaiveEntry[], request: SampleLeafRequest): SampleLeafResult {
  return naiveLeaf(entries, request) as SampleLeafResult;
}

function valuesOf(request: SampleLeafRequest, result: SampleLeafResult): unknown {
  const range = rangeAggOf(asSampleLeaf(parseExpr(request.expr) as Parameters<typeof asSampleLeaf>[0])!);
  const grid = { startNs: request.startNs, stepNs: request.stepNs, steps: stepCount(request) };
  return finalizeSeries(range, grid, result)
    .toSorted((a, b) => compareLabels(a.labels, b.labels))
    .map(({ labels, values, present }) => ({
      labels,
      values: Array.from(values, (value, k) => (present[k] === 1 ? Number(value.toPrecision(9)) : 'absent')),
    }));
}

const leafArbitrary = fc.record({
  expr: fc.constantFrom(...queries),
  startS: fc.integer({ min: 0, max: 60 }),
  steps: fc.integer({ min: 1, max: 30 }),
  stepS: fc.constantFrom(1, 5, 7, 30),
  intervalS: fc.constantFrom(1, 10, 15, 60, 1000),
});

function leafOf({
  expr,
  startS,
  steps,
  stepS,
}: {
  expr: string;
  startS: number;
  steps: number;
  stepS: number;
}) {
  const startNs = BigInt(startS) * second;
  const stepNs = BigInt(stepS) * second;
  const request: SampleLeafRequest = {
    kind: 'samples',
    tenant: 'test' as TenantId,
    expr,
    startNs,
    endNs: startNs + BigInt(steps - 1) * stepNs,
    stepNs,
    seriesMax: 0,
  };
  return request;
}

test('each step is in exactly one part, and no part reaches over a border', () => {
  fc.assert(
    fc.property(leafArbitrary, (leaf) => {
      const whole = leafOf(leaf);
      const interval = BigInt(leaf.intervalS) * second;
      const parts = splitSteps(whole, interval);
      const steps = parts.flatMap((part) =>
        Array.from({ length: stepCount(part) }, (_, k) => part.startNs + BigInt(k) * part.stepNs),
      );
      expect(steps).toEqual(
        Array.from({ length: leaf.steps }, (_, k) => whole.startNs + BigInt(k) * whole.stepNs),
      );
      if (parts.length > 1) {
        for (const part of parts) {
          expect(ceilTo(part.startNs, interval)).toBe(ceilTo(part.endNs, interval));
        }
      }
    }),
  );
});

test('parts joined give what the whole gives', () => {
  fc.assert(
    fc.property(entriesArbitrary, leafArbitrary, (entries, leaf) => {
      const whole = leafOf(leaf);
      const parts = splitSteps(whole, BigInt(leaf.intervalS) * second);
      const joined = join(
        whole,
        parts.map((request) => ({ request, result: run(entries, request) })),
      );
      expect(valuesOf(whole, joined)).toEqual(valuesOf(whole, run(entries, whole)));
    }),
    { numRuns: 300 },
  );
});

test('a result cut into parts and joined again is the same', () => {
  fc.assert(
    fc.property(entriesArbitrary, leafArbitrary, (entries, leaf) => {
      const whole = leafOf(leaf);
      const result = run(entries, whole);
      const parts = splitSteps(whole, BigInt(leaf.intervalS) * second).map((request) => ({
        request,
        result: atOnce(cutSampleResult(whole, request, result)),
      }));
      for (const part of parts) {
        expect(valuesOf(part.request, part.result)).toEqual(
          valuesOf(part.request, run(entries, part.request)),
        );
      }
      expect(valuesOf(whole, join(whole, parts))).toEqual(valuesOf(whole, result));
    }),
    { numRuns: 300 },
  );
});

test('the windows of an instant leaf merge to the whole', () => {
  let split = 0;
  fc.assert(
    fc.property(
      entriesArbitrary,
      leafArbitrary,
      fc.integer({ min: 20, max: 120 }),
      fc.constantFrom(1, 5, 8),
      fc.integer({ min: 0, max: 20 }),
      (entries, leaf, atS, intervalS, joinedCount) => {
        const whole = { ...leafOf({ ...leaf, startS: atS, steps: 1 }), stepNs: 0n };
        const parts = splitRange(whole, BigInt(intervalS) * second);
        if (!parts) return;
        split++;
        const result = run(entries, parts.middle);
        const singles = splitSteps(parts.middle, parts.middle.stepNs);
        expect(singles).toHaveLength(stepCount(parts.middle));
        const joined = singles.slice(0, joinedCount);
        const windows = [
          ...(parts.first ? [parts.first] : []),
          ...(joined.length > 0 ? [joinRanges(joined)] : []),
        ].map((request) => ({ request, result: run(entries, request) }));
        const rest = singles.slice(joinedCount);
        if (rest.length > 0) {
          const request = { ...parts.middle, startNs: rest[0].startNs };
          windows.push({ request, result: atOnce(cutSampleResult(parts.middle, request, result)) });
        }
        if (parts.last) windows.push({ request: parts.last, result: run(entries, parts.last) });
        // The only step of a range query, or of a stretch of one, has a step that says nothing.
        for (const stepNs of [0n, 7n * second]) {
          const alone = { ...whole, stepNs };
          expect(valuesOf(alone, atOnce(mergeRangeParts(alone, windows)))).toEqual(
            valuesOf(whole, run(entries, whole)),
          );
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(split).toBeGreaterThan(200);
});

test('a window that the language cannot say is not cut', () => {
  const leaf = leafOf({ expr: queries[0], startS: 100, steps: 1, stepS: 1 });
  expect(splitRange(leaf, 10n * second)).toBeDefined();
  expect(
    splitRange({ ...leaf, startNs: leaf.startNs + 1n, endNs: leaf.endNs + 1n }, 10n * second),
  ).toBeUndefined();
  expect(splitRange(leaf, 60n * second)).toBeUndefined();
});

test('very many intervals become fewer, longer ones', () => {
  const leaf = leafOf({ expr: queries[0], startS: 0, steps: 100_000, stepS: 1 });
  const parts = splitSteps(leaf, second);
  expect(parts.length).toBeLessThanOrEqual(1025);
  expect(parts.reduce((sum, part) => sum + stepCount(part), 0)).toBe(100_000);
});

test('what depends on the time of the query is not cut, what depends on order not sharded unless asked', () => {
  expect(isSplittable('rate({a="b"} | line_format "{{ now | unixEpoch }}" [1m])')).toBe(false);
  expect(isSplittable('rate({a="b"} |= "nowhere" [1m])')).toBe(true);
  expect(isShardable(queries[0], [])).toBe(true);
  expect(isShardable('{a="b"} |= "x"', [])).toBe(true);
  expect(isShardable(queries[7], [])).toBe(false);
  expect(isShardable(queries[7], ['first_over_time'])).toBe(true);
  expect(isShardable(queries[11], ['absent_over_time'])).toBe(false);
});

test('multiples round to where they should, also below zero', () => {
  expect([floorTo(7n, 5n), floorTo(-7n, 5n), floorTo(-5n, 5n), ceilTo(7n, 5n), ceilTo(-7n, 5n)]).toEqual([
    5n,
    -10n,
    -5n,
    10n,
    -5n,
  ]);
});
