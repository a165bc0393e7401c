/** Complete queries over plain rows, for tests of the language. */
import { parseExpr } from '@loki/logql';
import { Labels } from '@loki/model';
import { encodeSegment, RowWriter } from '@loki/segment';
import type { EvaluateOptions, QueryParams } from '../common/query-types.ts';
import { evaluate } from '../root/evaluate.ts';
import { plainRows, runLeaf, segmentOf, tenant, testEnv } from './blocks.ts';
import type { PlainRow, TestRow } from './blocks.ts';

/** Whole queries over rows, for tests of the language. Times are seconds. */

const second = 1_000_000_000n;

const base: Omit<QueryParams, 'startNs' | 'endNs' | 'stepNs' | 'isInstant'> = {
  tenant,
  direction: 'forward',
  limit: 0,
  intervalNs: 0n,
  seriesMax: 0,
};

/** Labels as `a=b,c=d`, and a value. */
export type PlainSample = readonly [labels: string, value: number];

export interface InstantOptions extends EvaluateOptions {
  /** Default 100. */
  readonly at?: number;
}

/** The samples of an instant query, in answer order; a number for a scalar. */
export async function instant(
  query: string,
  rows: readonly TestRow[],
  { at = 100, ...options }: InstantOptions = {},
): Promise<PlainSample[] | number> {
  const timeNs = BigInt(at) * second;
  const params = { ...base, startNs: timeNs, endNs: timeNs, stepNs: 0n, isInstant: true };
  const { result } = await ask(query, rows, params, options);
  if (result.type === 'scalar') return result.value;
  if (result.type !== 'vector') throw new Error(`an instant query gave a ${result.type}`);
  return result.samples.map(({ labels, value }) => [textOf(labels), value]);
}

/** The series of a range query: labels, then [seconds, value] of each sample. */
export async function range(
  query: string,
  rows: readonly TestRow[],
  [start, end, step]: readonly [number, number, number],
): Promise<Record<string, (readonly [number, number])[]>> {
  const params = {
    ...base,
    startNs: BigInt(start) * second,
    endNs: BigInt(end) * second,
    stepNs: BigInt(step) * second,
    isInstant: false,
  };
  const { result } = await ask(query, rows, params, {});
  if (result.type !== 'matrix') throw new Error(`a range query gave a ${result.type}`);
  return Object.fromEntries(
    result.series.map(({ labels, values, present }) => [
      textOf(labels),
      [...values]
        .map((value, k): readonly [number, number] => [start + k * step, value])
        .filter((_, k) => present[k] === 1),
    ]),
  );
}

/** The lines of a log query, oldest first. */
export async function logLines(query: string, rows: readonly TestRow[]): Promise<PlainRow[]> {
  const params = { ...base, startNs: 0n, endNs: 1n << 60n, stepNs: 0n, isInstant: false };
  const { result } = await ask(query, rows, params, {});
  if (result.type !== 'streams') throw new Error(`a log query gave a ${result.type}`);
  return plainRows(result.rows);
}

async function ask(query: string, rows: readonly TestRow[], params: QueryParams, options: EvaluateOptions) {
  const bytes = segmentOf(rows);
  const env = testEnv();
  return evaluate(
    parseExpr(query),
    params,
    (request) => runLeaf(request, [{ kind: 'bytes', bytes }], env),
    options,
  );
}

function textOf(labels: readonly (readonly [string, string])[]): string {
  return labels.map(([name, value]) => `${name}=${value}`).join(',');
}

/** Lines that are no text, as an agent may send them. */
export function streamOfBytes(labels: Record<string, string>, lines: readonly Uint8Array[]): Buffer {
  const writer = new RowWriter(tenant);
  writer.beginRun(Labels.fromPairs(Object.entries(labels)));
  lines.forEach((line, i) => writer.addRow(i + 1, 0, line, 0, line.length));
  writer.endRun();
  return encodeSegment(writer.finish(), { kind: 'flushed' });
}

/** One stream's lines, one a second from `first` on. */
export function stream(labels: Record<string, string>, lines: readonly string[], first = 1): TestRow[] {
  return lines.map((line, i) => ({ labels, ts: BigInt(first + i) * second, line }));
}
