import fc from 'fast-check';
import { parseExpr } from '@loki/logql';
import type { RangeOp } from '@loki/logql';
import type { TenantId } from '@loki/model';
import type { SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import { asSampleLeaf, rangeAggOf } from '../common/leaf-expr.ts';
import { compareLabels } from '../common/series-labels.ts';
import { atOnce } from '../common/sliced-work.ts';
import { finalizeSeries } from '../test/finalize-series.ts';
import { naiveLeaf } from '../test/naive-leaf.ts';
import type { NaiveEntry } from '../test/naive-leaf.ts';
import { mergeSampleResults, stepCount } from './merge-samples.ts';
import { joinSampleParts } from './sample-parts.ts';

const merge = (...args: Parameters<typeof mergeSampleResults>) => atOnce(mergeSampleResults(...args));
const join = (...args: Parameters<typeof joinSampleParts>) => atOnce(joinSampleParts(...args));

// Protects the merge: an answer must not show where entries lay, nor how the time range was split, in any
// operation.

const queries: Partial<Record<RangeOp, string>> = {
  count_over_time: 'count_over_time({app=~"a|b"}[25s])',
  rate: 'sum by (app) (rate({app=~"a|b"} | logfmt | unwrap v [25s]))',
  bytes_rate: 'bytes_rate({app=~"a|b"}[10s] offset 5s)',
  avg_over_time: 'avg_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  min_over_time: 'min by (app) (min_over_time({app=~"a|b"} | logfmt | unwrap v [25s]))',
  max_over_time: 'max_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by ()',
  stddev_over_time: 'stddev_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  first_over_time: 'first_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  last_over_time: 'last_over_time({app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  quantile_over_time: 'quantile_over_time(0.7, {app=~"a|b"} | logfmt | unwrap v [25s]) by (x)',
  rate_counter: 'rate_counter({app=~"a|b"} | logfmt | unwrap v [25s])',
  absent_over_time: 'absent_over_time({app="a"}[10s])',
};

const second = 1_000_000_000n;
const request = (expr: string, startS: bigint, endS: bigint): SampleLeafRequest => ({
  kind: 'samples',
  tenant: 'test' as TenantId,
  expr,
  startNs: startS * second,
  endNs: endS * second,
  stepNs: 5n * second,
  seriesMax: 0,
});

// Timestamps are unique, so that first and last have one answer.
const entriesArbitrary = fc
  .uniqueArray(
    fc.record({
      ms: fc.integer({ min: 1, max: 120_000 }),
      app: fc.constantFrom('a', 'b'),
      x: fc.constantFrom('1', '2'),
      v: fc.integer({ min: -50, max: 50 }),
      source: fc.integer({ min: 0, max: 2 }),
    }),
    { selector: (row) => row.ms, maxLength: 40 },
  )
  .map((rows) =>
    rows.map((row) => ({
      source: row.source,
      entry: {
        timestampNs: BigInt(row.ms) * 1_000_000n,
        line: `x=${row.x} v=${row.v}`,
        labels: new Map([['app', row.app]]),
      } satisfies NaiveEntry,
    })),
  );

function valuesOf(leafRequest: SampleLeafRequest, result: SampleLeafResult): unknown {
  const expr = parseExpr(leafRequest.expr);
  const range = rangeAggOf(asSampleLeaf(expr as Parameters<typeof asSampleLeaf>[0])!);
  const grid = { startNs: leafRequest.startNs, stepNs: leafRequest.stepNs, steps: stepCount(leafRequest) };
  return finalizeSeries(range, grid, result)
    .toSorted((a, b) => compareLabels(a.labels, b.labels))
    .map(({ labels, values, present }) => ({
      labels,
      values: Array.from(values, (value, k) => (present[k] === 1 ? Number(value.toPrecision(9)) : 'absent')),
    }));
}

test.each(Object.entries(queries))('%s is the same from one place and from three', (_, expr) => {
  const whole = request(expr, 0n, 120n);
  fc.assert(
    fc.property(entriesArbitrary, (rows) => {
      const run = (entries: readonly NaiveEntry[]) => naiveLeaf(entries, whole) as SampleLeafResult;
      const all = run(rows.map(({ entry }) => entry));
      const [a, b, c] = [0, 1, 2].map((source) =>
        run(rows.filter((row) => row.source === source).map(({ entry }) => entry)),
      );
      const flat = merge(whole, [a, b, c]);
      const nested = merge(whole, [a, merge(whole, [b, c])]);
      expect(valuesOf(whole, flat)).toEqual(valuesOf(whole, all));
      expect(valuesOf(whole, nested)).toEqual(valuesOf(whole, all));
    }),
    { numRuns: 40 },
  );
});

test.each(Object.entries(queries))('%s is the same whole and split by time', (_, expr) => {
  const whole = request(expr, 0n, 120n);
  const parts = [request(expr, 0n, 30n), request(expr, 35n, 80n), request(expr, 85n, 120n)];
  fc.assert(
    fc.property(entriesArbitrary, (rows) => {
      const entries = rows.map(({ entry }) => entry);
      const joined = join(
        whole,
        parts.map((part) => ({ request: part, result: naiveLeaf(entries, part) as SampleLeafResult })),
      );
      const all = naiveLeaf(entries, whole) as SampleLeafResult;
      expect(valuesOf(whole, joined)).toEqual(valuesOf(whole, all));
    }),
    { numRuns: 40 },
  );
});

test('more series than allowed fail the merge with the text users know', () => {
  const leafRequest = { ...request('count_over_time({app=~".+"}[5s])', 0n, 0n), seriesMax: 2 };
  const result = (app: string): SampleLeafResult => ({
    kind: 'samples',
    steps: 1,
    series: [{ labels: [['app', app]], columns: [Float64Array.of(1)] }],
    stats: (naiveLeaf([], leafRequest) as SampleLeafResult).stats,
  });
  expect(merge(leafRequest, ['a', 'b', 'a'].map(result)).series).toHaveLength(2);
  expect(() => merge(leafRequest, ['a', 'b', 'c'].map(result))).toThrow(
    'maximum number of series (2) reached for a single query',
  );
});
