import { parseSelection } from '@loki/logql';
import type { LeafDelete, LeafRequest, SampleLeafResult } from '@loki/ports';
import { atOnce } from '../common/sliced-work.ts';
import { mergeLeafResults } from '../merge/merge-leaf-results.ts';
import { compileSelection } from '../pipeline/compile-leaf.ts';
import { plainRows, runLeaf, segmentOf, tenant, testEnv } from '../test/blocks.ts';
import type { TestRow } from '../test/blocks.ts';
import type { LeafSource } from './open-section.ts';

// Protects: an answer with deletes is the answer that data without the deleted rows would give.

const secondNs = 1_000_000_000n;

function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomRows(random: (below: number) => number): TestRow[] {
  const rows: TestRow[] = [];
  for (let stream = 0; stream < 5; stream++) {
    let ts = 1000n * secondNs;
    for (let i = 0; i < 40; i++) {
      ts += BigInt(random(3)) * secondNs;
      const line = `{"n":${random(9)},"kind":"k${random(3)}"} line ${random(20)}`;
      const metadata: Record<string, string> = random(2) === 0 ? { trace: `t${random(4)}` } : {};
      rows.push({ labels: { app: `a${stream % 3}`, pod: `p${stream}` }, ts, line, metadata });
    }
  }
  return rows;
}

interface Delete extends LeafDelete {
  readonly takes: (row: TestRow) => boolean;
}

const kinds: { expr: string; takes: (row: TestRow) => boolean; except?: string[] }[] = [
  { expr: '{}', takes: () => true },
  { expr: '{app="a1"}', takes: (row) => row.labels['app'] === 'a1' },
  { expr: '{app=~"a.*"}', except: ['{pod="p2"}'], takes: (row) => row.labels['pod'] !== 'p2' },
  {
    expr: '{app="a0"} |= "line 1"',
    takes: (row) => row.labels['app'] === 'a0' && row.line.includes('line 1'),
  },
  { expr: '{} | trace="t1"', takes: (row) => row.metadata?.['trace'] === 't1' },
  {
    expr: '{pod!="p0"} | json | kind="k1"',
    takes: (row) => row.labels['pod'] !== 'p0' && row.line.includes('"k1"'),
  },
];

function randomDelete(random: (below: number) => number): Delete {
  const { expr, takes, except } = kinds[random(kinds.length)];
  const startNs = BigInt(990 + random(60)) * secondNs;
  const endNs = startNs + BigInt(1 + random(50)) * secondNs;
  const isTaken = (row: TestRow) => row.ts >= startNs && row.ts < endNs && takes(row);
  return { expr, startNs, endNs, except, takes: isTaken };
}

const queries = [
  '{app=~"a.+"}',
  '{app=~"a.+"} |= "line"',
  '{app="a1"} | trace="t2"',
  '{app=~"a.+"} | json | n>3',
];
const metrics = [
  'count_over_time({app=~"a.+"}[7s])',
  'sum by (app) (count_over_time({app=~"a.+"}[1h]))',
  'sum(bytes_over_time({app=~"a.+"}[20s]))',
  'sum by (pod) (count_over_time({app=~"a.+"} |= "line 1" [9s]))',
  'max by (app) (max_over_time({app=~"a.+"} | json | unwrap n [11s]))',
];

function randomRequest(random: (below: number) => number): LeafRequest {
  if (random(2) === 0) {
    return {
      kind: 'log',
      tenant,
      expr: queries[random(queries.length)],
      startNs: 1000n * secondNs,
      endNs: BigInt(1000 + random(90)) * secondNs,
      direction: random(2) === 0 ? 'forward' : 'backward',
      limit: [0, 1, 5, 30][random(4)],
    };
  }
  const startNs = BigInt(1000 + random(20)) * secondNs;
  const stepNs = BigInt(1 + random(10)) * secondNs;
  const endNs = startNs + stepNs * BigInt(random(12));
  return {
    kind: 'samples',
    tenant,
    expr: metrics[random(metrics.length)],
    startNs,
    endNs,
    stepNs,
    seriesMax: 0,
  };
}

/** A result as text; series that a delete left empty are no difference. */
function textOf(result: Awaited<ReturnType<typeof runLeaf>>): string {
  if (result.kind === 'log') {
    const rows = plainRows(result).map((row) => ({ ...row, ts: String(row.ts) }));
    return JSON.stringify(rows, undefined, 1);
  }
  return seriesText(result);
}

function seriesText({ series }: SampleLeafResult): string {
  const lines = series.flatMap(({ labels, columns }) =>
    columns[0].some((count) => count !== 0)
      ? [JSON.stringify([labels, columns.map((column) => [...column])])]
      : [],
  );
  return lines.sort().join('\n');
}

describe('answers with deletes', () => {
  test('are those of the same data without the deleted rows', async () => {
    let removed = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const random = makeRandom(seed);
      const rows = randomRows(random);
      const deletes = Array.from({ length: 1 + random(3) }, () => randomDelete(random));
      const left = rows.filter((row) => !deletes.some((each) => each.takes(row)));
      removed += rows.length - left.length;
      const blockBytes = [200, 1500, 1 << 20][random(3)];
      const request = randomRequest(random);
      const wire = deletes.map(({ expr, startNs, endNs, except }) => ({ expr, startNs, endNs, except }));
      const objects = new Map([['seg', segmentOf(rows, blockBytes)]]);
      const source: LeafSource =
        random(2) === 0 ? { kind: 'object', key: 'seg' } : { kind: 'bytes', bytes: objects.get('seg')! };
      const got = await runLeaf({ ...request, deletes: wire }, [source], testEnv(objects));
      const sources: LeafSource[] =
        left.length === 0 ? [] : [{ kind: 'bytes', bytes: segmentOf(left, blockBytes) }];
      const wanted = await runLeaf(request, sources);
      expect(`${seed} ${textOf(got)}`).toBe(`${seed} ${textOf(wanted)}`);
    }
    expect(removed).toBeGreaterThan(1000);
  });

  test('a run that is deleted whole is not read', async () => {
    const rows = randomRows(makeRandom(7));
    const objects = new Map([['seg', segmentOf(rows)]]);
    const env = testEnv(objects);
    const request = { kind: 'log', tenant, expr: '{app="a1"}', startNs: 0n, endNs: 1n << 60n } as const;
    const deletes = [{ expr: '{app="a1"}', startNs: 0n, endNs: 1n << 60n }];
    const asked = { ...request, direction: 'forward', limit: 0, deletes } as const;
    const result = await runLeaf(asked, [{ kind: 'object', key: 'seg' }], env);
    expect(result.stats.blocksMatched).toBe(0);
    expect(plainRows(result as never)).toEqual([]);
  });

  test('of clipped sources only rows in the clip count: two halves make the whole', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = makeRandom(seed);
      const rows = randomRows(random);
      const objects = new Map([['seg', segmentOf(rows, [300, 1 << 20][random(2)])]]);
      const request = randomRequest(random);
      const cut = BigInt(1000 + random(60)) * secondNs;
      const part = (startNs: bigint, endNs: bigint): LeafSource => ({
        kind: 'object',
        key: 'seg',
        clip: { startNs, endNs },
      });
      const env = testEnv(objects);
      const halves = [
        await runLeaf(request, [part(0n, cut)], env),
        await runLeaf(request, [part(cut, 1n << 60n)], env),
      ];
      const whole = await runLeaf(request, [{ kind: 'object', key: 'seg' }], env);
      expect(`${seed} ${textOf(atOnce(mergeLeafResults(request, halves)))}`).toBe(`${seed} ${textOf(whole)}`);
    }
  });
});

test('what a delete may say: everything a log query can, and {}', () => {
  expect(parseSelection('{}').matchers).toEqual([]);
  expect(() => parseSelection('rate({app="a"}[5m])')).toThrow('only log queries select entries');
  expect(() => parseSelection('{app=')).toThrow('syntax error');
});

// A delete that was accepted before a check existed must not fail every query of its tenant.
test.each(['{app="a"} | x=ip("bogus")', '{app="a"} | \\!=""'])(
  'the stored delete %s can still be applied',
  (text) => {
    expect(() => parseSelection(text)).toThrow();
    expect(compileSelection(text).selectorKey).toBe(compileSelection('{app="a"}').selectorKey);
  },
);
