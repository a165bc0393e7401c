import fc from 'fast-check';
import { parseExpr } from '@loki/logql';
import type { LabelPair } from '@loki/model';
import type { SampleLeafRequest, SampleLeafResult, SeriesState } from '@loki/ports';
import { rangeAggOf } from '../common/leaf-expr.ts';
import type { SampleLeafExpr } from '../common/leaf-expr.ts';
import { atOnce } from '../common/sliced-work.ts';
import { mergeLeafResults } from '../merge/merge-leaf-results.ts';
import { SampleWindows } from '../series/sample-windows.ts';
import { bytesSource, runLeaf, segmentOf, tenant, testEnv } from '../test/blocks.ts';
import type { TestRow } from '../test/blocks.ts';
import type { LeafSource } from './open-section.ts';

const api = { app: 'api' };

/** Ranges are whole milliseconds at least. */
const ms = 1_000_000n;

async function samples(
  expr: string,
  sources: readonly LeafSource[],
  steps: { startNs?: bigint; endNs?: bigint; stepNs?: bigint; seriesMax?: number } = {},
): Promise<SampleLeafResult> {
  const { startNs = 100n * ms, endNs = 100n * ms, stepNs = 0n, seriesMax = 0 } = steps;
  const request: SampleLeafRequest = { kind: 'samples', tenant, expr, startNs, endNs, stepNs, seriesMax };
  return (await runLeaf(request, sources)) as SampleLeafResult;
}

/** Series by label text, column by column. */
function tabulate(result: SampleLeafResult): Record<string, unknown> {
  const rows = result.series.map((series): [string, unknown] => [
    series.labels.map(([name, value]) => `${name}=${value}`).join(','),
    series.columns.map((column) => [...column]),
  ]);
  return Object.fromEntries(rows.sort((a, b) => (a[0] < b[0] ? -1 : 1)));
}

describe('series', () => {
  const rows: TestRow[] = [
    { labels: { app: 'a', env: 'x' }, ts: 90n * ms, line: 'lvl=info n=1', metadata: { pod: 'p1' } },
    { labels: { app: 'a', env: 'x' }, ts: 91n * ms, line: 'lvl=info n=2', metadata: { pod: 'p2' } },
    { labels: { app: 'b' }, ts: 92n * ms, line: 'lvl=warn n=30', metadata: { app: 'meta' } },
    { labels: { app: 'b' }, ts: 93n * ms, line: 'lvl=warn' },
  ];
  test.each<[string, Record<string, unknown>]>([
    // Metadata multiplies series.
    [
      'count_over_time({app=~".+"}[50ms])',
      {
        'app=a,env=x,pod=p1': [[1]],
        'app=a,env=x,pod=p2': [[1]],
        'app=b,app_extracted=meta': [[1]],
        'app=b': [[1]],
      },
    ],
    ['sum by (app) (count_over_time({app=~".+"}[50ms]))', { 'app=a': [[2]], 'app=b': [[2]] }],
    ['sum by (pod) (count_over_time({app=~".+"}[50ms]))', { 'pod=p1': [[1]], 'pod=p2': [[1]], '': [[2]] }],
    [
      'sum by (app_extracted) (count_over_time({app=~".+"}[50ms]))',
      { 'app_extracted=meta': [[1]], '': [[3]] },
    ],
    ['sum without (pod, env) (count_over_time({app="a"}[50ms]))', { 'app=a': [[2]] }],
    ['sum(count_over_time({app=~".+"}[50ms]))', { '': [[4]] }],
    ['sum(bytes_over_time({app=~".+"}[50ms]))', { '': [[4], [45]] }],
    ['sum by (lvl) (count_over_time({app=~".+"} | logfmt [50ms]))', { 'lvl=info': [[2]], 'lvl=warn': [[2]] }],
    [
      'sum by (lvl) (sum_over_time({app=~".+"} | logfmt | unwrap n [50ms]))',
      { 'lvl=info': [[2], [3]], 'lvl=warn': [[1], [30]] },
    ],
    [
      'sum_over_time({app="b"} | logfmt | unwrap n [50ms])',
      { 'app=b,app_extracted=meta,lvl=warn': [[1], [30]] },
    ],
    ['absent_over_time({app="a"}[50ms])', { '': [[2]] }],
    ['absent_over_time({app="none"}[50ms])', {}],
    ['sum(bytes_over_time({app="a"} | line_format "abc" [50ms]))', { '': [[2], [6]] }],
    ['sum(count_over_time({app=~".+"} |= "info" | pod="p1" [50ms]))', { '': [[1]] }],
  ])('%s', async (expr, expected) => {
    const sources = [bytesSource(rows.slice(0, 2)), bytesSource(rows.slice(2))];
    expect(tabulate(await samples(expr, sources))).toEqual(expected);
  });

  test('more series than allowed fail the query in Loki’s words', async () => {
    await expect(
      samples('count_over_time({app=~".+"}[50ms])', [bytesSource(rows)], { seriesMax: 3 }),
    ).rejects.toThrow(/^maximum number of series \(3\) reached for a single query; /);
  });
});

describe('errors', () => {
  const source = bytesSource([
    { labels: api, ts: 90n * ms, line: '{"a":"1","n":"x"}' },
    { labels: api, ts: 91n * ms, line: '{"a":"2"' },
    { labels: api, ts: 92n * ms, line: 'text' },
  ]);
  test.each([
    ['count_over_time({app="api"} | json [50ms])', 'JSONParserErr'],
    ['sum by (b) (count_over_time({app="api"} | json [50ms]))', 'JSONParserErr'],
    ['sum(sum_over_time({app="api"} | json | unwrap n [50ms]))', 'SampleExtractionErr'],
    [
      'sum(count_over_time({app="api"} | json | n > 5 | __error__!="JSONParserErr" [50ms]))',
      'LabelFilterErr',
    ],
    ['sum(count_over_time({app="api"} |= "n" | json | n > 5 [50ms]))', 'LabelFilterErr'],
    // The query needs no labels: parsers do not run.
    ['sum(count_over_time({app="api"} | json [50ms]))', undefined],
    // The parser stops at the label that is needed, before the line breaks off.
    ['sum by (a) (count_over_time({app="api"} |= "a" | json [50ms]))', undefined],
    ['sum by (__error__) (count_over_time({app="api"} | json | __error__!="" [50ms]))', undefined],
  ])('%s fails with %s', async (expr, kind) => {
    const run = samples(expr, [source]);
    if (kind === undefined) expect((await run).series.length).toBeGreaterThan(0);
    else await expect(run).rejects.toThrow(`pipeline error: '${kind}' for series: '{`);
  });
});

const operations = [
  'count_over_time',
  'bytes_over_time',
  'sum_over_time',
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'stddev_over_time',
  'first_over_time',
  'last_over_time',
  'quantile_over_time',
  'rate_counter',
] as const;

interface Sample {
  readonly ts: number;
  readonly value: number;
  readonly bytes: number;
}

/** The plain way: every window looks at every sample. */
function expectedState(op: (typeof operations)[number], window: readonly Sample[]): number[] {
  const values = window.map((sample) => sample.value);
  const sum = values.reduce((a, b) => a + b, 0);
  const count = window.length;
  if (count === 0) return [0];
  switch (op) {
    case 'count_over_time':
      return [count];
    case 'bytes_over_time':
      return [count, window.reduce((total, sample) => total + sample.bytes, 0)];
    case 'sum_over_time':
    case 'avg_over_time':
      return [count, sum];
    case 'min_over_time':
      return [count, Math.min(...values)];
    case 'max_over_time':
      return [count, Math.max(...values)];
    case 'stddev_over_time': {
      const mean = sum / count;
      return [count, mean, values.reduce((total, value) => total + (value - mean) ** 2, 0)];
    }
    case 'first_over_time':
      return [count, window[0].ts, window[0].value];
    case 'last_over_time':
      return [count, window[count - 1].ts, window[count - 1].value];
    case 'quantile_over_time':
      return [count, ...values.sort((a, b) => a - b)];
    case 'rate_counter':
      return [count, ...window.flatMap((sample) => [sample.ts, sample.value])];
  }
}

/** The same from a leaf's result: columns at a step, or the samples in its window. */
function stateAt(
  op: (typeof operations)[number],
  series: SeriesState | undefined,
  step: number,
  windows: SampleWindows,
): number[] {
  if (!series) return [0];
  if (!series.samples) {
    if (series.columns[0][step] === 0) return [0];
    // A fourth column, the rank of the stream, has a test of its own.
    return series.columns.slice(0, 3).map((column) => column[step]);
  }
  const { times, values } = series.samples;
  windows.moveTo(times);
  const [from, to] = [windows.from[step], windows.to[step]];
  const window = [...values.subarray(from, to)];
  if (op === 'quantile_over_time') return [to - from, ...window.sort((a, b) => a - b)];
  return [to - from, ...window.flatMap((value, i) => [times[from + i], value])];
}

test('windows hold what the plain way finds, for every operation, range, step, offset and split of the data', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.record({ ts: fc.integer({ min: 0, max: 60 }), value: fc.integer({ min: -50, max: 50 }) }),
        {
          maxLength: 40,
          // No entry is given twice: equal ones are dropped before they get here.
          selector: ({ ts, value }) => `${ts} ${value}`,
        },
      ),
      fc.constantFrom(...operations),
      fc.record({
        start: fc.integer({ min: 0, max: 70 }),
        step: fc.integer({ min: 1, max: 9 }),
        steps: fc.integer({ min: 1, max: 12 }),
        range: fc.integer({ min: 1, max: 40 }),
        offset: fc.integer({ min: -10, max: 20 }),
      }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('', ' |= "v"', ' | drop nothing'),
      async (drawn, op, grid, parts, filter) => {
        const sorted = [...drawn].sort((a, b) => a.ts - b.ts);
        // Without a label parsed from the line, counts can be answered from indexes and timestamps alone.
        const isPlain = op === 'count_over_time' || op === 'bytes_over_time';
        const pipeline = isPlain ? filter : `${filter} | logfmt | unwrap v`;
        const parameter = op === 'quantile_over_time' ? '0.5, ' : '';
        const range = `[${grid.range}ms] offset ${grid.offset}ms`;
        const expr = `${op}(${parameter}{app="api"}${pipeline} | keep app ${range})`.replace(
          isPlain && filter === '' ? ' | keep app' : '\u0000',
          '',
        );
        const fixed = isPlain ? expr : expr.replace(' | keep app', '');
        const size = Math.ceil(sorted.length / parts) || 1;
        const rows = sorted.map(({ ts, value }): TestRow => ({
          labels: api,
          ts: (BigInt(ts) + 1000n) * ms,
          line: `v=${value}`,
        }));
        const sources = Array.from({ length: parts }, (_, p) => rows.slice(p * size, (p + 1) * size))
          .filter((part) => part.length > 0)
          .map((part) => bytesSource(part, 40));
        const startNs = (1000n + BigInt(grid.start)) * ms;
        const request: SampleLeafRequest = {
          kind: 'samples',
          tenant,
          expr: fixed,
          startNs,
          endNs: startNs + BigInt(grid.step * (grid.steps - 1)) * ms,
          stepNs: grid.steps === 1 ? 0n : BigInt(grid.step) * ms,
          seriesMax: 0,
        };
        const whole = (await runLeaf(request, sources)) as SampleLeafResult;
        const each = await Promise.all(sources.map((source) => runLeaf(request, [source])));
        const merged = atOnce(mergeLeafResults(request, each)) as SampleLeafResult;
        const windows = new SampleWindows(rangeAggOf(parseExpr(fixed) as SampleLeafExpr), {
          ...request,
          steps: grid.steps,
        });
        const kept = new Set<object>();
        for (let k = 0; k < grid.steps; k++) {
          const end = grid.start + k * grid.step - grid.offset;
          const inWindow = sorted.filter(({ ts }) => ts > end - grid.range && ts <= end);
          for (const sample of inWindow) kept.add(sample);
          const window = inWindow.map(({ ts, value }) => ({
            ts: (ts - grid.start) * 1e6,
            value,
            bytes: `v=${value}`.length,
          }));
          const expected = expectedState(op, window);
          for (const result of [whole, merged]) {
            const found = stateAt(op, result.series[0], k, windows);
            expect(found.length).toBe(expected.length);
            found.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 8));
          }
        }
        // However many windows they are in.
        if (op === 'quantile_over_time' || op === 'rate_counter') {
          for (const { series } of [whole, merged]) {
            expect(series[0]?.samples?.times.length ?? 0).toBe(kept.size);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('of equal timestamps in several streams one is first, and another last, wherever they are stored', async () => {
  const row = (app: string, value: number): TestRow => ({ labels: { app }, ts: ms, line: `v=${value}` });
  const rows = [row('a', 1), row('b', 2), row('c', 3), row('b', 4)];
  for (const op of ['first_over_time', 'last_over_time']) {
    const expr = `${op}({app=~".+"} | logfmt | unwrap v [1s]) by (none)`;
    const request = {
      kind: 'samples' as const,
      tenant,
      expr,
      startNs: ms,
      endNs: ms,
      stepNs: 0n,
      seriesMax: 0,
    };
    const value = async (order: readonly TestRow[]) => {
      const parts = await Promise.all(order.map((each) => runLeaf(request, [bytesSource([each])])));
      const merged = atOnce(mergeLeafResults(request, parts)) as SampleLeafResult;
      const whole = (await runLeaf(request, [bytesSource(order)])) as SampleLeafResult;
      expect(merged.series).toEqual(whole.series);
      return whole.series[0].columns[2][0];
    };
    const wanted = await value(rows);
    // Only the order within one stream, that of arrival, may count.
    for (const order of [
      [1, 3, 0, 2],
      [2, 1, 0, 3],
      [1, 2, 3, 0],
    ]) {
      expect(await value(order.map((i) => rows[i]))).toBe(wanted);
    }
  }
});

test('counts that follow from the index need no block, and equal those from timestamps', async () => {
  const rows = Array.from({ length: 300 }, (_, i): TestRow => ({
    labels: { app: `s${i % 3}` },
    ts: BigInt(i) * ms,
    line: 'x'.repeat(i % 7),
  }));
  const byStream = [...rows].sort((a, b) =>
    a.labels.app < b.labels.app ? -1 : a.labels.app > b.labels.app ? 1 : 0,
  );
  const source = bytesSource(byStream, 64);
  const expr = 'sum by (app) (bytes_over_time({app=~".+"}[1000ms]))';
  const direct = await samples(expr, [source], { startNs: 500n * ms, endNs: 500n * ms * ms });
  expect(direct.stats.blocksMatched).toBe(0);
  const scanned = await samples(expr.replace('}[', '} | drop nothing ['), [source], {
    startNs: 500n * ms,
    endNs: 500n * ms,
  });
  expect(scanned.stats.blocksMatched).toBeGreaterThan(0);
  expect(tabulate(direct)).toEqual(tabulate(scanned));
});

test('head and store give the same series', async () => {
  const rows = Array.from({ length: 400 }, (_, i): TestRow => ({
    labels: { app: `s${i % 5}` },
    ts: BigInt(i) * ms,
    line: `level=${i % 3 ? 'info' : 'error'} n=${i % 17}`,
    metadata: { pod: `p${i % 4}` },
  }));
  const bytes = segmentOf(rows, 2000);
  const env = testEnv(new Map([['seg', bytes]]), 1000);
  for (const expr of [
    'sum by (app) (count_over_time({app=~".+"}[100ms]))',
    'sum by (pod) (count_over_time({app=~"s[12]"}[100ms]))',
    'sum by (level) (sum_over_time({app=~".+"} | logfmt | unwrap n [100ms]))',
    'count_over_time({app=~".+"} |= "error" | pod="p1" [100ms])',
    'sum(bytes_over_time({app="s3"} | pod=~"p[12]" [100ms]))',
  ]) {
    const request: SampleLeafRequest = {
      kind: 'samples',
      tenant,
      expr,
      startNs: 0n,
      endNs: 400n * ms,
      stepNs: 50n * ms,
      seriesMax: 0,
    };
    const head = await runLeaf(request, [{ kind: 'bytes', bytes }], env);
    const store = await runLeaf(request, [{ kind: 'object', key: 'seg' }], env);
    expect((head as SampleLeafResult).series.length).toBeGreaterThan(0);
    expect(tabulate(store as SampleLeafResult)).toEqual(tabulate(head as SampleLeafResult));
  }
});

test.each<[string, LabelPair[]]>([
  [
    'count_over_time({app="api"} | logfmt --keep-empty [50ms])',
    [
      ['app', 'api'],
      ['b', '2'],
      ['empty', ''],
      ['z', '1'],
    ],
  ],
  [
    'sum by (z, empty, b) (count_over_time({app="api"} | logfmt --keep-empty [50ms]))',
    [
      ['b', '2'],
      ['z', '1'],
    ],
  ],
  [
    'sum without (z) (count_over_time({app="api"} | logfmt --keep-empty [50ms]))',
    [
      ['app', 'api'],
      ['b', '2'],
    ],
  ],
])('labels of a series are sorted, and empty where nothing groups: %s', async (expr, expected) => {
  const { series } = await samples(expr, [
    bytesSource([{ labels: api, ts: 90n * ms, line: 'z=1 empty= b=2' }]),
  ]);
  expect(series[0].labels).toEqual(expected);
});
