import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDuration } from '@loki/go';
import { parseExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { QueryParams, QueryResult } from '../common/query-types.ts';
import { evaluate } from '../root/evaluate.ts';
import { naiveLeaf } from './naive-leaf.ts';
import type { NaiveEntry } from './naive-leaf.ts';

// Protects the root: it computes what the reference computed, recorded query by recorded query. The
// leaves are the plain ones of test-naive-leaf.ts, so a failure here is the root's.

const t0Ns = 1_699_999_200_000_000_000n;

interface Case {
  query: string;
  time?: string;
  start?: string;
  end?: string;
  step?: string;
  status?: number;
  error?: string;
  data?: { resultType: string; result: unknown };
}

function readLines<T>(name: string): T[] {
  const text = readFileSync(join(__dirname, '../testdata', name), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

const entries: NaiveEntry[] = [];
for (const { labels, entries: rows } of readLines<{
  labels: Record<string, string>;
  entries: [string, string][];
}>('root-dataset.jsonl')) {
  // The service names that the distributor would have derived for these streams.
  const all = new Map([
    ...Object.entries(labels),
    ['service_name', labels.app],
    ['detected_level', 'unknown'],
  ]);
  for (const [offset, line] of rows) entries.push({ timestampNs: t0Ns + BigInt(offset), line, labels: all });
}

function timeOf(token: string): bigint {
  const match = /^\$\{T0(?:([+-])(\w+))?\}$/.exec(token)!;
  const offset = match[2] === undefined ? 0n : parseDuration(match[2])!;
  return match[1] === '-' ? t0Ns - offset : t0Ns + offset;
}

function paramsOf(item: Case): QueryParams {
  const base = {
    tenant: 'test' as TenantId,
    direction: 'forward' as const,
    limit: 100,
    intervalNs: 0n,
    seriesMax: 500,
  };
  if (item.time !== undefined) {
    const timeNs = timeOf(item.time);
    return { ...base, startNs: timeNs, endNs: timeNs, stepNs: 0n, isInstant: true };
  }
  const stepNs = parseDuration(item.step!)!;
  const [start, end] = [timeOf(item.start!), timeOf(item.end!)];
  const startNs = start - (start % stepNs);
  const endNs = end % stepNs === 0n ? end : end - (end % stepNs) + stepNs;
  return { ...base, startNs, endNs, stepNs, isInstant: false };
}

/** `@600s`, `@3600000ms`: a time relative to the data's start. */
function token(ns: bigint, unit: 's' | 'ms'): string {
  const relative = ns - t0Ns;
  return unit === 'ms' ? `@${relative / 1_000_000n}ms` : `@${Number(relative) / 1e9}s`;
}

function toData(result: QueryResult): Case['data'] {
  switch (result.type) {
    case 'scalar':
      return { resultType: 'scalar', result: [token(result.timeNs, 'ms'), String(result.value)] };
    case 'vector':
      return {
        resultType: 'vector',
        result: result.samples.map(({ labels, value }) => ({
          metric: Object.fromEntries(labels),
          value: [token(result.timeNs, 's'), String(value)],
        })),
      };
    case 'matrix':
      return {
        resultType: 'matrix',
        result: result.series.map(({ labels, values, present }) => ({
          metric: Object.fromEntries(labels),
          values: Array.from(values, (value, k) => [
            token(result.startNs + BigInt(k) * result.stepNs, 's'),
            String(value),
          ]).filter((_, k) => present[k] === 1),
        })),
      };
    case 'streams':
      throw new Error('no streams here');
  }
}

/** Nine digits are compared: the order of additions is not promised. */
function rounded(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, inner: unknown) => {
      if (typeof inner !== 'string' || !/^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(inner)) return inner;
      return Number(inner).toPrecision(9);
    }),
  );
}

const cases = readLines<Case>('root-cases.jsonl');

test.each(
  cases.map((item) => [`${item.query} @ ${item.time ?? `${item.start}/${item.step}`}`, item] as const),
)('recorded: %s', async (_, item) => {
  const run = async () =>
    evaluate(parseExpr(item.query), paramsOf(item), async (request) => naiveLeaf(entries, request));
  if (item.error !== undefined) {
    const failure = await run().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(LokiError);
    expect({ status: (failure as LokiError).status, error: (failure as LokiError).message }).toEqual({
      status: item.status,
      error: item.error.startsWith('pipeline error') ? expect.stringContaining('pipeline error') : item.error,
    });
    return;
  }
  const { result } = await run();
  expect(rounded(toData(result))).toEqual(rounded(item.data));
});
