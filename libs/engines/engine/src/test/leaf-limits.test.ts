/**
 * Protects the processes that answer queries: a leaf without a waiting caller ends soon, and none takes all
 * the memory.
 */
import { createHash } from 'node:crypto';
import { parseExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { LeafRequest, LogLeafResult, SampleLeafResult } from '@loki/ports';
import { atOnce } from '../common/sliced-work.ts';
import { leafTask } from '../leaf/leaf-task.ts';
import { mergeLeafResults } from '../merge/merge-leaf-results.ts';
import { evaluate } from '../root/evaluate.ts';
import { plainRows, runLeaf, runLog, segmentOf, tenant, testEnv } from './blocks.ts';
import type { TestRow } from './blocks.ts';

const second = 1_000_000_000n;

/** `count` lines, one a second, in blocks of some ten lines when stored. */
function lines(count: number, line: (i: number) => string): TestRow[] {
  return Array.from({ length: count }, (_, i) => ({
    labels: { app: 'a' },
    ts: BigInt(i + 1) * second,
    line: line(i),
  }));
}

const many = lines(3000, (i) => `id=${i} ms=${i % 97} user=u${i} msg="${'x'.repeat(60)}"`);
const object = segmentOf(many, 1000);

function storedEnv() {
  return testEnv(new Map([['o', object]]), 64 * 1024);
}

const stored = [{ kind: 'object', key: 'o' } as const];

function samples(expr: string, more: Partial<LeafRequest> = {}): LeafRequest {
  const endNs = 3000n * second;
  const request = {
    kind: 'samples',
    tenant,
    expr,
    startNs: second,
    endNs,
    stepNs: 10n * second,
    seriesMax: 0,
  };
  return { ...request, ...more } as LeafRequest;
}

function logs(expr: string, more: Partial<LeafRequest> = {}): LeafRequest {
  const request = {
    kind: 'log',
    tenant,
    expr,
    startNs: 0n,
    endNs: 1n << 60n,
    direction: 'forward',
    limit: 0,
  };
  return { ...request, ...more } as LeafRequest;
}

describe('a leaf whose caller gives up', () => {
  // More than the store gives away with a segment's footer, and nothing that compresses.
  const large = segmentOf(
    lines(3000, (i) => `x ${noise(i)}`),
    10_000,
  );

  /** Checks of the leaf whether its caller still waits, when the caller gives up at check `at`. */
  async function checksUntilStopped(request: LeafRequest, at: number): Promise<number> {
    let checks = 0;
    const env = testEnv(new Map([['o', large]]), 64 * 1024);
    const run = leafTask.run({ request, sources: stored }, env, () => {
      if (++checks > at) throw new Error('nobody waits');
    });
    if (at === Infinity) await run;
    else await expect(run).rejects.toThrow('nobody waits');
    return checks;
  }

  test.each([
    ['a count', samples('count_over_time({app="a"} |= "x"[10s])')],
    ['lines', logs('{app="a"} |= "nowhere to be found"')],
    ['the newest lines', logs('{app="a"}', { direction: 'backward', limit: 2500 } as Partial<LeafRequest>)],
  ])('%s: stops within a few blocks', async (_, request) => {
    expect(await checksUntilStopped(request, Infinity)).toBeGreaterThan(15);
    expect(await checksUntilStopped(request, 4)).toBe(5);
  });

  test('stops within a few lines where each line costs much', async () => {
    const bytes = segmentOf(many);
    for (const request of [
      logs('{app="a"} | line_format "{{ range 100 }}{{ end }}x"'),
      samples('sum(count_over_time({app="a"} | label_format x="{{ range 100 }}{{ end }}x" | x!="" [10s]))'),
    ]) {
      let asked = 0;
      const run = leafTask.run({ request, sources: [{ kind: 'bytes', bytes }] }, testEnv(), () => {
        asked++;
      });
      await run;
      // One block; the lines of it are what it was asked at.
      expect(asked).toBeGreaterThan(many.length / 10);
    }
  });
});

/** Each would hold many megabytes of the 400 KB it reads. */
const killers: readonly [string, LeafRequest][] = [
  ['series × steps', samples('count_over_time({app="a"} | logfmt [10s])', { stepNs: 1_000_000n * 100n })],
  ['a series for each line', samples('count_over_time({app="a"} | logfmt | line_format "x"[10s])')],
  [
    'label_format that multiplies series',
    samples(
      'count_over_time({app="a"} | label_format a="{{ .__timestamp__ }}{{ __line__ }}{{ __line__ }}"[10s])',
    ),
  ],
  ['what a regex captures', samples('count_over_time({app="a"} | regexp "(?P<all>.*)"[10s])')],
  ['lines without a limit', logs('{app="a"} | line_format "{{ repeat 1000 __line__ }}"')],
  ['label sets without a limit', logs('{app="a"} | logfmt | label_format x="{{ repeat 100 __line__ }}"')],
];

describe('a query with a budget', () => {
  test.each(killers)('%s: fails with a text that says what to do', async (_, request) => {
    const error = await runLeaf({ ...request, memoryBytesMax: 512 * 1024 }, stored, storedEnv()).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(LokiError);
    expect(error).toMatchObject({
      code: 'badRequest',
      status: 400,
      message:
        'the query needs too much memory (limit: 512 KiB); consider adding more specific stream selectors, ' +
        'reducing the time range or the lines asked for, a larger step, or aggregating to fewer series',
    });
  });

  test.each([
    ['few series', samples('sum by (app) (count_over_time({app="a"} | logfmt [10s]))')],
    // 900,000 values in windows, of 3,000 samples.
    [
      'windows that overlap',
      samples('quantile_over_time(0.9, {app="a"} | logfmt | unwrap ms [50m]) by (app)'),
    ],
    [
      'counters that overlap',
      samples('rate_counter({app="a"} | logfmt | drop id, user, msg | unwrap ms [50m])'),
    ],
    ['few lines of many', logs('{app="a"} | logfmt', { limit: 100 } as Partial<LeafRequest>)],
    [
      'few lines of many, from the end',
      logs('{app="a"} | logfmt', { limit: 100, direction: 'backward' } as Partial<LeafRequest>),
    ],
  ])('%s: as without one', async (_, request) => {
    const free = await runLeaf(request, stored, storedEnv());
    const bound = await runLeaf({ ...request, memoryBytesMax: 512 * 1024 }, stored, storedEnv());
    expect(bound).toEqual(free);
  });

  test('the budget holds for merges too', () => {
    const request = { ...samples('count_over_time({app="a"} | logfmt [10s])'), memoryBytesMax: 200_000 };
    const part = (from: number): SampleLeafResult => ({
      kind: 'samples',
      steps: 300,
      series: Array.from({ length: 40 }, (_, i) => ({
        labels: [['user', `u${from + i}`]],
        columns: [new Float64Array(300).fill(1)],
      })),
      stats: emptyStats(),
    });
    expect(atOnce(mergeLeafResults(request, [part(0), part(0)]))).toMatchObject({ steps: 300 });
    expect(() => atOnce(mergeLeafResults(request, [part(0), part(1000)]))).toThrow('too much memory');
  });

  test('the budget holds for the root, too', async () => {
    const params = {
      tenant,
      startNs: 0n,
      endNs: 10_000n * second,
      stepNs: second,
      isInstant: false,
      direction: 'forward' as const,
      limit: 0,
      intervalNs: 0n,
      seriesMax: 0,
    };
    // Few samples, and many series of constants from them.
    const text = (levels: number): string =>
      levels === 0
        ? 'sum by (user) (count_over_time({app="a"} | logfmt [10s]))'
        : `label_replace(${text(levels - 1)}, "l${levels}", "x", "", "")`;
    const run = (memoryBytesMax: number) =>
      evaluate(parseExpr(`sum(${text(3)})`), params, (request) => runLeaf(request, [few], testEnv()), {
        memoryBytesMax,
      });
    const few = { kind: 'bytes' as const, bytes: segmentOf(lines(20, (i) => `user=u${i}`)) };
    await expect(run(1_000_000)).rejects.toThrow('too much memory');
    const { result } = await run(100_000_000);
    expect(result).toMatchObject({ type: 'matrix', steps: 10_001 });
  });

  test('label sets of lines that were thrown out are thrown out too', async () => {
    // Streams take turns, so that each block has candidates which later ones replace.
    const rows = lines(60_000, (i) => `id=${i}`).map((row, i) => ({
      ...row,
      labels: { app: 'a', n: `${59_999 - i}`.slice(-2) },
    }));
    rows.sort((a, b) => (a.labels.n < b.labels.n ? -1 : a.labels.n > b.labels.n ? 1 : Number(a.ts - b.ts)));
    const source = { kind: 'bytes' as const, bytes: segmentOf(rows, 4000) };
    const query = { expr: '{app="a"} | logfmt', direction: 'backward' as const, limit: 500 };
    const found: LogLeafResult = await runLog(query, [source]);
    const all = await runLog({ ...query, limit: 0 }, [source]);
    expect(plainRows(found)).toEqual(plainRows(all).slice(0, 500));
    expect(found.labelSets).toHaveLength(500);
  });
});

/** 500 characters that are unlike any others. */
function noise(seed: number): string {
  let text = '';
  for (let part = 0; text.length < 500; part++) {
    text += createHash('sha512').update(`${seed}/${part}`).digest('base64');
  }
  return text;
}

function emptyStats(): SampleLeafResult['stats'] {
  const zero = { segments: 0 } as Partial<SampleLeafResult['stats']>;
  return zero as SampleLeafResult['stats'];
}
