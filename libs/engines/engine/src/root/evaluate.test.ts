import { parseExpr } from '@loki/logql';
import type { TenantId } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, LogLeafRequest, LogLeafResult, SampleLeafResult } from '@loki/ports';
import type { QueryParams } from '../common/query-types.ts';
import { evaluate } from './evaluate.ts';

const params: QueryParams = {
  tenant: 'test' as TenantId,
  startNs: 0n,
  endNs: 0n,
  stepNs: 0n,
  isInstant: true,
  direction: 'forward',
  limit: 100,
  intervalNs: 0n,
  seriesMax: 500,
};

/** Answers each leaf from a table: selector label `q` names series as [labels, value]. */
function leaves(table: Record<string, [Record<string, string>, number][]>) {
  const seen: LeafRequest[] = [];
  const runLeaf = async (request: LeafRequest): Promise<SampleLeafResult> => {
    seen.push(request);
    const found = table[/q="(\w+)"/.exec(request.expr)![1]];
    return {
      kind: 'samples',
      steps: 1,
      series: found.map(([labels, value]) => ({
        labels: Object.entries(labels),
        columns: [Float64Array.of(1), Float64Array.of(value)],
      })),
      stats: { ...emptyLeafStats(), linesProcessed: 10 },
    };
  };
  return { seen, runLeaf };
}

const sum = (name: string) => `sum_over_time({q="${name}"} | unwrap v [1m])`;

async function samples(query: string, table: Parameters<typeof leaves>[0]): Promise<unknown> {
  const { result } = await evaluate(parseExpr(query), params, leaves(table).runLeaf);
  if (result.type !== 'vector') return result;
  return result.samples.map(({ labels, value }) => [Object.fromEntries(labels), value]);
}

test('what adds up is asked for where the data is, grouping included; the rest is not', async () => {
  const pushed: Record<string, string> = {
    'sum by (x) (rate({q="a"}[1m]))': 'sum by (x)(rate({q="a"}[1m]))',
    'avg by (x) (rate({q="a"}[1m]))': 'rate({q="a"}[1m])',
    'max(max_over_time({q="a"} | unwrap v [1m]))': 'max(max_over_time({q="a"} | unwrap v[1m]))',
    'max(sum_over_time({q="a"} | unwrap v [1m]))': 'sum_over_time({q="a"} | unwrap v[1m])',
    'topk(1, sum(count_over_time({q="a"}[1m])))': 'sum(count_over_time({q="a"}[1m]))',
  };
  for (const [query, leaf] of Object.entries(pushed)) {
    const { seen, runLeaf } = leaves({ a: [[{ x: '1' }, 1]] });
    await evaluate(parseExpr(query), params, runLeaf);
    expect(seen.map((request) => request.expr)).toEqual([leaf]);
  }
});

test('a leaf that occurs twice runs once, and costs are added up', async () => {
  const { seen, runLeaf } = leaves({ a: [[{}, 4]], b: [[{}, 1]] });
  const outcome = await evaluate(parseExpr(`${sum('a')} / (${sum('a')} - ${sum('b')})`), params, runLeaf);
  expect(seen).toHaveLength(2);
  expect(outcome.leaves).toBe(2);
  expect(outcome.stats.linesProcessed).toBe(20);
});

test('only the answer counts against the series limit', async () => {
  const many = Array.from({ length: 600 }, (_, i): [Record<string, string>, number] => [{ x: String(i) }, i]);
  const query = (inner: string) => samples(inner, { a: many });
  await expect(query(`count(${sum('a')})`)).resolves.toEqual([[{}, 600]]);
  await expect(query(sum('a'))).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('maximum number of series (500) reached for a single query'),
  });
});

test.each([
  [`${sum('a')} + on (x) ${sum('b')}`, 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'],
  [`${sum('b')} + on (x) ${sum('a')}`, 'found duplicate series on the right hand-side;many-to-many matching not allowed: matching labels must be unique on one side'],
  [`${sum('a')} + on (x) group_right ${sum('b')}`, 'found duplicate series on the left hand-side;many-to-many matching not allowed: matching labels must be unique on one side'],
])('%s is an impossible match', async (query, message) => {
  const table: Parameters<typeof leaves>[0] = {
    a: [[{ x: '1', y: '1' }, 1], [{ x: '1', y: '2' }, 2]],
    b: [[{ x: '1' }, 3]],
  };
  await expect(samples(query, table)).rejects.toMatchObject({ status: 500, message });
}); // prettier-ignore

test('grouped matching keeps the many side, takes what it includes, and drops what is not there', async () => {
  const table: Parameters<typeof leaves>[0] = {
    a: [[{ x: '1', y: '1', z: 'old' }, 1], [{ x: '1', y: '2' }, 2]],
    b: [[{ w: 'w', x: '1' }, 10]],
  }; // prettier-ignore
  await expect(samples(`${sum('a')} * on (x) group_left (w, z) ${sum('b')}`, table)).resolves.toEqual([
    [{ w: 'w', x: '1', y: '1' }, 10],
    [{ w: 'w', x: '1', y: '2' }, 20],
  ]);
  await expect(samples(`${sum('b')} > bool on (x) group_right ${sum('a')}`, table)).resolves.toEqual([
    [{ x: '1', y: '1', z: 'old' }, 1],
    [{ x: '1', y: '2' }, 1],
  ]);
});

test('topk keeps NaN only when nothing else is left; sort puts it last', async () => {
  const table: Parameters<typeof leaves>[0] = {
    a: [[{ x: '1' }, Number.NaN], [{ x: '2' }, 1], [{ x: '3' }, 5], [{ x: '4' }, 3]],
  }; // prettier-ignore
  await expect(samples(`topk(2, ${sum('a')})`, table)).resolves.toEqual([[{ x: '3' }, 5], [{ x: '4' }, 3]]);
  await expect(samples(`topk(9, ${sum('a')})`, table)).resolves.toHaveLength(4);
  for (const [op, order] of [['sort', '2431'], ['sort_desc', '3421']]) {
    const sorted = (await samples(`${op}(${sum('a')})`, table)) as [{ x: string }, number][];
    expect(sorted.map(([labels]) => labels.x).join('')).toBe(order);
  }
}); // prettier-ignore

test('label_replace: whole match, groups, removal, and equal labels are left apart', async () => {
  const table: Parameters<typeof leaves>[0] = { a: [[{ x: 'ab' }, 1], [{ x: 'ac' }, 2]] }; // prettier-ignore
  const replace = (texts: string) => samples(`label_replace(${sum('a')}, ${texts})`, table);
  await expect(replace('"y", "$2-$1", "x", "(.)(.)"')).resolves.toEqual([
    [{ x: 'ab', y: 'b-a' }, 1],
    [{ x: 'ac', y: 'c-a' }, 2],
  ]);
  await expect(replace('"x", "", "x", "a"')).resolves.toEqual([[{ x: 'ab' }, 1], [{ x: 'ac' }, 2]]); // prettier-ignore
  await expect(replace('"x", "", "x", "a.*"')).resolves.toEqual([[{}, 1], [{}, 2]]); // prettier-ignore
  await expect(replace('"n", "new", "nosuch", ""')).resolves.toEqual([
    [{ n: 'new', x: 'ab' }, 1],
    [{ n: 'new', x: 'ac' }, 2],
  ]);
});

test('a range of more steps than memory holds is refused', async () => {
  const query = { ...params, isInstant: false, stepNs: 1n, endNs: 10n ** 15n };
  await expect(evaluate(parseExpr('vector(1)'), query, leaves({}).runLeaf)).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('exceeded maximum resolution of 11,000 points'),
  });
});

test('a log query is one leaf; its rows pass through untouched', async () => {
  const rows = logRows([5n, 7n]);
  const seen: LeafRequest[] = [];
  const outcome = await evaluate(
    parseExpr('{a="b"} |= "x"'),
    { ...params, endNs: 9n, isInstant: false },
    async (r) => {
      seen.push(r);
      return rows;
    },
  );
  expect(outcome.result).toEqual({ type: 'streams', rows });
  expect(seen).toMatchObject([{ kind: 'log', expr: '{a="b"} |= "x"', startNs: 0n, endNs: 9n, limit: 100 }]);
});

function logRows(timestamps: readonly bigint[]): LogLeafResult {
  const labelSets = [{ stream: [], structuredMetadata: [], parsed: [], origin: { hash: 0n, text: '' } }];
  return {
    kind: 'log',
    labelSets,
    labelSet: new Uint32Array(timestamps.length),
    timestampNs: BigInt64Array.from(timestamps),
    lineEnds: Uint32Array.from(timestamps, (_, i) => 2 * (i + 1)),
    lines: Buffer.from(timestamps.map((ts) => String(ts % 100n).padStart(2, '0')).join('')),
    stats: emptyLeafStats(),
  };
}

test.each(['forward', 'backward'] as const)('an interval thins out over all pages, %s', async (direction) => {
  const all = Array.from({ length: 5000 }, (_, i) => BigInt(i * 3));
  if (direction === 'backward') all.reverse();
  const pages: number[] = [];
  const run = async (request: LeafRequest) => {
    const { startNs, endNs, limit } = request as LogLeafRequest;
    const rows = all.filter((ts) => ts >= startNs && ts < endNs).slice(0, limit);
    pages.push(rows.length);
    return logRows(rows);
  };
  const query = { ...params, isInstant: false, endNs: 20_000n, direction, limit: 30, intervalNs: 400n };
  const { result } = await evaluate(parseExpr('{a="b"}'), query, run);
  // The plain way: over all entries at once.
  const expected: bigint[] = [];
  for (const ts of all) {
    const last = expected.at(-1);
    const distance = last === undefined ? 400n : ts > last ? ts - last : last - ts;
    if (distance >= 400n && expected.length < 30) expected.push(ts);
  }
  if (result.type !== 'streams') throw new Error(result.type);
  expect([...result.rows.timestampNs]).toEqual(expected);
  expect(Buffer.from(result.rows.lines).toString()).toBe(
    expected.map((ts) => String(ts % 100n).padStart(2, '0')).join(''),
  );
  expect(pages.length).toBeGreaterThan(2);
});

test('500 series at 11 000 steps are computed within seconds', async () => {
  const steps = 11_000;
  const run = async (): Promise<SampleLeafResult> => ({
    kind: 'samples',
    steps,
    series: Array.from({ length: 500 }, (_, i) => ({
      labels: [['x', String(i)]],
      columns: [new Float64Array(steps).fill(i + 1)],
    })),
    stats: emptyLeafStats(),
  });
  const query = { ...params, isInstant: false, stepNs: 1n, endNs: BigInt(steps - 1) };
  const text = 'topk(10, rate({q="a"}[1m])) / on (x) count_over_time({q="a"}[2m]) > 0 or vector(1)';
  const { result } = await evaluate(parseExpr(text), query, run);
  expect(result).toMatchObject({ type: 'matrix', steps });
});
