/** Protects the meaning of the language, statement by statement: ranges, unwrapping, aggregations. */
import type { TestRow } from './blocks.ts';
import { instant, range, stream } from './query.ts';
import type { PlainSample } from './query.ts';

const app = { app: 'a' };
const nan = Number.NaN;

/** Instant queries at 100 s over lines at 1, 2, 3 … s. */
function ask(query: string, lines: readonly string[] = [], metadata?: Record<string, string>) {
  const rows: TestRow[] = stream(app, lines).map((row) => (metadata ? { ...row, metadata } : row));
  return instant(query, rows);
}

const one = (value: number): PlainSample[] => [['', value]];
const a = (value: number): PlainSample[] => [['app=a', value]];

describe('windows', () => {
  const seven = stream(app, ['a', 'b', 'c', 'd', 'e', 'f', 'g'], 10);
  test.each([
    // (t - range - offset, t - offset]
    [
      'count_over_time({app="a"}[5s])',
      [10, 20, 5],
      [
        [10, 1],
        [15, 5],
        [20, 1],
      ],
    ],
    [
      'count_over_time({app="a"}[5s] offset 5s)',
      [10, 25, 5],
      [
        [15, 1],
        [20, 5],
        [25, 1],
      ],
    ],
    [
      'count_over_time({app="a"}[5s] offset -5s)',
      [10, 25, 5],
      [
        [10, 5],
        [15, 1],
      ],
    ],
    [
      'count_over_time({app="a"}[1s])',
      [10, 16, 3],
      [
        [10, 1],
        [13, 1],
        [16, 1],
      ],
    ],
    [
      'count_over_time({app="a"}[6s])',
      [11, 17, 3],
      [
        [11, 2],
        [14, 5],
        [17, 5],
      ],
    ],
    // A step without samples has no value.
    [
      'count_over_time({app="a"}[1s])',
      [5, 20, 5],
      [
        [10, 1],
        [15, 1],
      ],
    ],
    ['rate({app="a"}[5s])', [15, 15, 5], [[15, 1]]],
    ['bytes_rate({app="a"} |= "a" [4s])', [10, 10, 1], [[10, 0.25]]],
    [
      'absent_over_time({app="a"}[2s])',
      [8, 18, 2],
      [
        [8, 1],
        [18, 1],
      ],
    ],
    [
      'vector(2)',
      [10, 16, 3],
      [
        [10, 2],
        [13, 2],
        [16, 2],
      ],
    ],
    [
      '1 + 1',
      [10, 16, 3],
      [
        [10, 2],
        [13, 2],
        [16, 2],
      ],
    ],
    ['count_over_time({app="a"}[5s]) > 3', [10, 20, 5], [[15, 5]]],
    [
      'count_over_time({app="a"}[5s]) > bool 3',
      [10, 20, 5],
      [
        [10, 0],
        [15, 1],
        [20, 0],
      ],
    ],
  ] as [string, [number, number, number], [number, number][]][])('%s at %j', async (query, grid, points) => {
    expect(Object.values(await range(query, seven, grid))).toEqual([points]);
  });

  test('the number nearest to the border of a window decides by its nanosecond', async () => {
    const rows = [
      { labels: app, ts: 10_000_000_000n, line: 'start' },
      { labels: app, ts: 10_000_000_001n, line: 'inside' },
      { labels: app, ts: 15_000_000_000n, line: 'end' },
      { labels: app, ts: 15_000_000_001n, line: 'after' },
    ];
    expect(await instant('count_over_time({app="a"}[5s])', rows, { at: 15 })).toEqual(a(2));
  });

  test('first, last and counters go by time, not by arrival', async () => {
    const rows = [...stream(app, ['n=3', 'n=4'], 12), ...stream(app, ['n=1', 'n=2'], 10)];
    const query = (op: string) => `${op}({app="a"} | logfmt | keep app, n | unwrap n [10s])`;
    expect(await instant(query('first_over_time'), rows, { at: 15 })).toEqual(a(1));
    expect(await instant(query('last_over_time'), rows, { at: 15 })).toEqual(a(4));
    // 1 2 3 4 a second apart: three in three seconds, extrapolated to where a counter began and half a second
    // beyond.
    const [[, rate]] = (await instant(query('rate_counter'), rows, { at: 15 })) as PlainSample[];
    expect(rate).toBeCloseTo((3 * (3 + 1 + 0.5)) / 3 / 10);
    const reset = stream(app, ['n=5', 'n=1', 'n=2'], 10);
    const [[, after]] = (await instant(query('rate_counter'), reset, { at: 12 })) as PlainSample[];
    expect(after).toBeCloseTo((2 * (2 + 0.5)) / 2 / 10);
    expect(await instant(query('rate_counter'), stream(app, ['n=5'], 10), { at: 12 })).toEqual(a(0));
  });
});

describe('unwrap', () => {
  const unwrapped = (op: string, unwrap = 'n') => `${op}({app="a"} | logfmt | unwrap ${unwrap} [100s])`;
  test.each([
    ['sum_over_time', 'n', ['n=1', 'n=2.5', 'n=', 'm=1'], 3.5],
    ['sum_over_time', 'n', ['n=1e3', 'n=-.5', 'n=+2'], 1001.5],
    ['sum_over_time', 'n', ['n=0x1p4', 'n=1_0'], 26],
    ['sum_over_time', 'n', ['n=5e-324'], 5e-324],
    ['sum_over_time', 'n', ['n=1e308', 'n=1e308'], Infinity],
    ['sum_over_time', 'n', ['n=-Inf', 'n=+Inf'], nan],
    ['sum_over_time', 'n', ['n=12345678901234567890'], Number('12345678901234567890')],
    ['max_over_time', 'n', ['n=NaN', 'n=1'], 1],
    ['min_over_time', 'n', ['n=2', 'n=NaN', 'n=1'], 1],
    ['max_over_time', 'n', ['n=NaN'], nan],
    ['avg_over_time', 'n', ['n=1', 'n=2'], 1.5],
    ['stdvar_over_time', 'n', ['n=1', 'n=3'], 1],
    ['stddev_over_time', 'n', ['n=1', 'n=5'], 2],
    ['sum_over_time', 'duration(n)', ['n=1m', 'n=500ms'], 60.5],
    ['sum_over_time', 'duration_seconds(n)', ['n=1h2m', 'n=-2m'], 3600],
    ['sum_over_time', 'bytes(n)', ['n=1KB', 'n=5B', 'n="1 KiB"', 'n=2'], 2031],
    ['rate', 'n', ['n=1', 'n=2'], 0.03],
    ['quantile_over_time', 'n', [], undefined],
  ])('%s of %s over %j is %s', async (op, unwrap, lines, value) => {
    const query =
      op === 'quantile_over_time'
        ? unwrapped('quantile_over_time').replace('(', '(0.5, ')
        : unwrapped(op, unwrap);
    expect(await ask(query, lines)).toEqual(value === undefined ? [] : a(value));
  });

  test.each([
    ['0.5', ['n=1', 'n=2', 'n=10', 'n=3'], 2.5],
    ['0', ['n=4', 'n=2'], 2],
    ['1', ['n=4', 'n=2'], 4],
    ['0.25', ['n=0', 'n=10'], 2.5],
    ['1.1', ['n=1'], Infinity],
    // NaN comes before all numbers.
    ['0.5', ['n=1', 'n=2', 'n=10', 'n=NaN'], 1.5],
    ['0', ['n=1', 'n=NaN'], nan],
  ])('the %s quantile of %j is %s', async (q, lines, value) => {
    expect(await ask(`quantile_over_time(${q}, {app="a"} | logfmt | unwrap n [100s])`, lines)).toEqual(
      a(value),
    );
  });

  test('the label goes; others make series; by and without choose among them', async () => {
    const lines = ['n=1', 'n=-3 z=1'];
    expect(await ask(unwrapped('sum_over_time'), lines)).toEqual([
      ['app=a', 1],
      ['app=a,z=1', -3],
    ]);
    expect(await ask(`${unwrapped('min_over_time')} by (z)`, lines)).toEqual([
      ['', 1],
      ['z=1', -3],
    ]);
    expect(await ask(`${unwrapped('min_over_time')} without (z)`, lines)).toEqual(a(-3));
    expect(
      await ask(`${unwrapped('sum_over_time', 'm').replace('| logfmt ', '')}`, ['x'], { m: '7', k: 'v' }),
    ).toEqual([['app=a,k=v', 7]]);
  });

  test('no series has the unwrapped label, whatever names it', async () => {
    const lines = ['n=1', 'n=2', 'n=1'];
    expect(await ask(`${unwrapped('max_over_time')} by (n)`, lines)).toEqual(one(2));
    expect(await ask(`${unwrapped('max_over_time')} by (n, app)`, lines)).toEqual(a(2));
    expect(await ask(`${unwrapped('max_over_time')} without (z)`, lines)).toEqual(a(2));
    expect(await ask(`sum by (n) (${unwrapped('sum_over_time')})`, lines)).toEqual(one(4));
    expect(await ask(`sum by (n, app) (${unwrapped('rate')})`, lines)).toEqual(a(0.04));
    expect(await ask(`max by (n) (${unwrapped('max_over_time')})`, lines)).toEqual(one(2));
    expect(await ask(`avg by (n) (${unwrapped('sum_over_time')})`, lines)).toEqual(one(4));
    // Another name for it stays.
    expect(await ask('sum by (k) (sum_over_time({app="a"} | logfmt | label_format k="{{.n}}" | unwrap n [100s]))', lines)).toEqual([['k=1', 2], ['k=2', 2]]); // prettier-ignore
  });
});

describe('series', () => {
  test.each<[string, string[], PlainSample[]]>([
    [
      'count_over_time({app="a"} | logfmt [100s])',
      ['x=1', 'x=2', 'x=1'],
      [
        ['app=a,x=1', 2],
        ['app=a,x=2', 1],
      ],
    ],
    ['count_over_time({app="a"} | logfmt | label_format x="y" [100s])', ['x=1', 'x=2'], [['app=a,x=y', 2]]],
    [
      'count_over_time({app="a"} | logfmt | label_format app=x [100s])',
      ['x=1', 'x=2'],
      [
        ['app=1', 1],
        ['app=2', 1],
      ],
    ],
    // An empty label is one, until something groups.
    ['count_over_time({app="a"} | label_format x="" [100s])', ['z'], [['app=a,x=', 1]]],
    ['count_over_time({app="a"} | json y="q", z [100s])', ['{"z":""}'], [['app=a,y=,z=', 1]]],
    ['sum_over_time({app="a"} | logfmt n, y | unwrap n [100s])', ['n=1'], [['app=a,y=', 1]]],
    ['topk(1, count_over_time({app="a"} | json y [100s]))', ['{}'], [['app=a,y=', 1]]],
    ['count_over_time({app="a"} | json y [100s]) * 2', ['{}'], [['app=a,y=', 2]]],
    ['max_over_time({app="a"} | logfmt n, y | unwrap n [100s]) by (y)', ['n=1'], one(1)],
    ['sum by (y) (count_over_time({app="a"} | json y [100s]))', ['{}'], one(1)],
    ['sum without (n) (count_over_time({app="a"} | json y [100s]))', ['{}'], a(1)],
    ['max without (n) (count_over_time({app="a"} | json y [100s]))', ['{}'], a(1)],
    [
      'label_replace(count_over_time({app="a"} | json y [100s]), "z", "$1", "app", "(.*)")',
      ['{}'],
      [['app=a,z=a', 1]],
    ],
    ['sum(count_over_time({app="a"}[100s])) by (nosuch)', ['z'], one(1)],
    ['bytes_over_time({app="a"}[100s])', ['é', 'x'], a(3)],
    ['bytes_over_time({app="a"} | line_format "{{ __line__ }}{{ __line__ }}" [100s])', ['é', 'x'], a(6)],
  ])('%s over %j', async (query, lines, expected) => expect(await ask(query, lines)).toEqual(expected));

  test('structured metadata tells series apart', async () => {
    expect(await ask('count_over_time({app="a"}[100s])', ['x'], { trace: 't' })).toEqual([
      ['app=a,trace=t', 1],
    ]);
    expect(await ask('count_over_time({app="a"}[100s])', ['x'], { app: 't' })).toEqual([
      ['app=a,app_extracted=t', 1],
    ]);
  });

  test.each<[string, PlainSample[]]>([
    ['absent_over_time({app="b", x="y", z=~"q", w!="v"}[100s])', [['app=b,x=y', 1]]],
    ['absent_over_time({app="b", app="c"}[100s])', one(1)],
    ['absent_over_time({app="a"}[100s])', []],
    ['absent_over_time({app="a"} |= "nowhere" [100s])', a(1)],
    ['absent_over_time({app="a"} | logfmt | unwrap n [100s])', a(1)],
  ])('%s', async (query, expected) => expect(await ask(query, ['x'])).toEqual(expected));
});

describe('vector aggregations', () => {
  const lines = ['n=1 m=1', 'n=2 m=1', 'n=1 m=2', 'n=1 m=1'];
  const counts = 'count_over_time({app="a"} | logfmt | keep n, m [100s])';
  test.each<[string, PlainSample[]]>([
    [`sum(${counts})`, one(4)],
    [`sum by () (${counts})`, one(4)],
    [
      `sum by (m, nosuch) (${counts})`,
      [
        ['m=1', 3],
        ['m=2', 1],
      ],
    ],
    [
      `sum without (n) (${counts})`,
      [
        ['m=1', 3],
        ['m=2', 1],
      ],
    ],
    [
      `sum without () (${counts})`,
      [
        ['m=1,n=1', 2],
        ['m=1,n=2', 1],
        ['m=2,n=1', 1],
      ],
    ],
    [
      `avg by (m) (${counts})`,
      [
        ['m=1', 1.5],
        ['m=2', 1],
      ],
    ],
    [`min(${counts})`, one(1)],
    [
      `max by (m) (${counts})`,
      [
        ['m=1', 2],
        ['m=2', 1],
      ],
    ],
    [
      `count by (n) (${counts})`,
      [
        ['n=1', 2],
        ['n=2', 1],
      ],
    ],
    [
      `stddev by (m) (${counts})`,
      [
        ['m=1', 0.5],
        ['m=2', 0],
      ],
    ],
    [`stdvar(${counts})`, one(2 / 9)],
    // One value alone has no spread; with others an infinity has none that is a number.
    ['stddev(vector(1e308) * 10)', one(0)],
    ['stdvar(vector(1e308) * 10 or label_replace(vector(1), "x", "y", "", ""))', one(nan)],
    [`topk(1, ${counts})`, [['m=1,n=1', 2]]],
    [
      `topk(2, ${counts}) by (n)`,
      [
        ['m=1,n=1', 2],
        ['m=1,n=2', 1],
        ['m=2,n=1', 1],
      ],
    ],
    [
      `bottomk(1, ${counts}) by (m)`,
      [
        ['m=1,n=2', 1],
        ['m=2,n=1', 1],
      ],
    ],
    [
      `topk(9, ${counts})`,
      [
        ['m=1,n=1', 2],
        ['m=1,n=2', 1],
        ['m=2,n=1', 1],
      ],
    ],
    [
      `sort_desc(sum by (m) (${counts}))`,
      [
        ['m=1', 3],
        ['m=2', 1],
      ],
    ],
    [
      `sort(sum by (m) (${counts}))`,
      [
        ['m=2', 1],
        ['m=1', 3],
      ],
    ],
  ])('%s', async (query, expected) => expect(await ask(query, lines)).toEqual(expected));

  test('topk chooses at each step', async () => {
    const rows = stream(app, ['n=1', 'n=2', 'n=2', 'n=1', 'n=1'], 10);
    expect(
      await range('topk(1, sum by (n) (count_over_time({app="a"} | logfmt [2s])))', rows, [10, 14, 2]),
    ).toEqual({
      'n=1': [
        [10, 1],
        [14, 2],
      ],
      'n=2': [[12, 2]],
    });
  });

  test('approx_topk is exact, where it is enabled; elsewhere it fails as Loki does', async () => {
    const rows = stream(app, lines);
    const query = `approx_topk(1, sum by (n) (${counts}))`;
    expect(await instant(query, rows, { isApproxTopkEnabled: true })).toEqual([['n=1', 3]]);
    expect(await instant(`2 * ${query}`, rows, { isApproxTopkEnabled: true })).toEqual([['n=1', 6]]);
    for (const text of [
      query,
      `2 * ${query}`,
      `label_replace(${query}, "a", "b", "", "")`,
      `sum(${query})`,
    ]) {
      await expect(instant(text, rows)).rejects.toMatchObject({
        status: 500,
        message: 'approx_topk is not enabled. See -limits.shard_aggregations',
      });
    }
  });
});
