/** The referee: answers questions without the engine, from the definitions of the language. */
import { parseExpr } from '@loki/logql';
import type { LogExpr, MetricExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import { parseAnswer } from './compare.ts';
import type { Answer, AnswerSeries, AnswerStream } from './compare.ts';
import type { DataSet, Push, StoredRow } from './data.ts';
import type { Question } from './gen-request.ts';
import { momentsOf } from './moments.ts';
import { Refused, keyOf } from './referee-aggregate.ts';
import { MetricReferee } from './referee-metric.ts';
import { PlainRow, Unsure } from './referee-row.ts';
import { passes } from './referee-stages.ts';
import { baseLimits } from './world.ts';

/** The referee's judgement of an answer. */
type Verdict = 'right' | 'unsure' | { readonly difference: string; readonly answer: Answer };

/**
 * Answers questions from the definitions of the language, row by row and moment by moment; it uses the parser
 * and the templates of the engine, and nothing else of it. Slow, and unsure where the language leaves a point
 * open.
 */
export class Referee {
  readonly rows: readonly StoredRow[];

  constructor({ pushes }: Pick<DataSet, 'pushes'>) {
    this.rows = storedRows(pushes);
  }

  judge(question: Question, answer: Answer): Verdict {
    try {
      const expr = parseExpr(question.query);
      if (expr.kind !== 'log') return this.#judgeSamples(question, expr, answer);
      return question.intervalNs > 0n ? 'unsure' : this.#judgeLines(question, expr, answer);
    } catch (error) {
      // A query that the parser refuses is not judged.
      if (error instanceof Unsure || (answer.isError && error instanceof LokiError)) return 'unsure';
      throw error;
    }
  }

  /** Rows of a selection, before the limit. */
  select({ tenants, startNs, endNs }: Question, expr: LogExpr): PlainRow[] {
    const isMulti = tenants.length > 1;
    return this.rows.flatMap(({ tenant, stream, row: stored }) => {
      if (!tenants.includes(tenant) || stored.timestampNs < startNs || stored.timestampNs >= endNs) return [];
      const row = new PlainRow(stream, stored);
      if (!passes(row, expr)) return [];
      if (isMulti) row.stream.set('__tenant_id__', tenant);
      return [row];
    });
  }

  #judgeLines(question: Question, expr: LogExpr, answer: Answer): Verdict {
    if (answer.isError) return 'unsure';
    const expected = this.select(question, expr).map((row) => ({ timestampNs: row.timestampNs, text: textOf(row) })); // prettier-ignore
    const isForward = question.direction === 'forward';
    const streams = parseAnswer(answer).result as AnswerStream[];
    const actual = streams.flatMap(({ stream, values }) =>
      values.map(([time, line, labels]) => ({ timestampNs: BigInt(time), text: lineText(stream as Texts, line, labels as Categories) })),
    ); // prettier-ignore
    const wrong = (difference: string): Verdict => ({
      difference: `the referee: ${difference}`,
      answer: { isError: false, text: expected.map(({ timestampNs, text }) => `${timestampNs} ${text}`).join('\n    ') }, // prettier-ignore
    });
    for (const { values } of streams)
      {if (values.some((value, i) => i > 0 && BigInt(values[i - 1][0]) > BigInt(value[0]) === isForward && values[i - 1][0] !== value[0])) return wrong('rows out of order');} // prettier-ignore
    const expectedCount = Math.min(expected.length, question.limit);
    if (actual.length !== expectedCount) return wrong(`${actual.length} rows for ${expectedCount}`);
    const left = new Map<string, number>();
    for (const { timestampNs, text } of expected) {
      const key = `${timestampNs} ${text}`;
      left.set(key, (left.get(key) ?? 0) + 1);
    }
    for (const { timestampNs, text } of actual) {
      const key = `${timestampNs} ${text}`;
      const count = left.get(key) ?? 0;
      if (count === 0) return wrong(`a row that is not expected: ${key}`);
      left.set(key, count - 1);
    }
    // With a limit, any of several rows at the last moment may be left out.
    const times = actual.map(({ timestampNs }) => timestampNs).sort((a, b) => (a < b === isForward ? -1 : 1));
    const last = times.at(-1);
    const isBetter = (ns: bigint) => last !== undefined && (isForward ? ns < last : ns > last);
    for (const { timestampNs, text } of expected)
      {if (isBetter(timestampNs) && left.get(`${timestampNs} ${text}`)! > 0) return wrong('rows beyond the limit');} // prettier-ignore
    return 'right';
  }

  #judgeSamples(question: Question, expr: MetricExpr, answer: Answer): Verdict {
    if (question.tenants.length > 1 || expr.kind === 'literal') return 'unsure';
    const rows = this.rows.filter(({ tenant }) => question.tenants.includes(tenant));
    const referee = new MetricReferee(rows);
    const expected = new Map<string, number[]>();
    try {
      for (const timeNs of momentsOf(question)) {
        const value = referee.at(expr, timeNs);
        if (typeof value === 'number') return 'unsure';
        for (const sample of value) {
          const key = `${String(timeNs / 1_000_000n)} ${keyOf(withoutEmpty(sample.labels))}`;
          expected.set(key, [...(expected.get(key) ?? []), sample.value]);
        }
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // A parser that has found all needed labels stops, and does not see later faults of the line.
      if (answer.isError || error.message === 'pipeline error') return 'unsure';
      return { difference: `the referee: ${error.message}`, answer: { isError: true, text: error.message } };
    }
    const text = () => [...expected].map(([key, values]) => `${key} ${values.join(' ')}`).join('\n    ');
    const wrong = (difference: string): Verdict => ({
      difference: `the referee: ${difference}`,
      answer: { isError: false, text: text() },
    });
    // Series of leaves are counted before any grouping.
    const mayBeTooMany = rows.length > baseLimits.maxQuerySeries;
    if (mayBeTooMany && /maximum number of series/.test(answer.text)) return 'unsure';
    if (answer.isError) return wrong('an error');
    const actual = new Map<string, number[]>();
    for (const { metric, values, value } of parseAnswer(answer).result as AnswerSeries[]) {
      for (const [time, number] of values ?? [value!]) {
        const key = `${Math.round(time * 1000)} ${keyOf(withoutEmpty(new Map(Object.entries(metric as Texts))))}`;
        actual.set(key, [...(actual.get(key) ?? []), numberOf(number)]);
      }
    }
    if (actual.size !== expected.size) return wrong(`${actual.size} samples for ${expected.size}`);
    const scale = Math.max(1, ...[...expected.values()].flat().map((value) => (Number.isFinite(value) ? Math.abs(value) : 0))); // prettier-ignore
    for (const [key, values] of expected) {
      const others = actual.get(key);
      if (!others) return wrong(`no sample for ${key}`);
      if (!isSame(values, others, scale)) return wrong(`${others.join(' ')} for ${key} ${values.join(' ')}`);
    }
    return 'right';
  }
}

interface Categories {
  readonly structuredMetadata?: Texts;
  readonly parsed?: Texts;
}
type Texts = Readonly<Record<string, string>>;

/** Each row once, in order of arrival. */
function storedRows(pushes: readonly Push[]): StoredRow[] {
  const rows = new Map<string, StoredRow>();
  for (const { tenant, streams } of pushes) {
    for (const { labels, rows: pushed } of streams) {
      const stream = new Map(Object.entries(labels.toObject()));
      for (const row of pushed) {
        const metadata = [...row.metadata].sort(([a], [b]) => (a < b ? -1 : 1));
        const key = JSON.stringify([tenant, keyOf(stream), String(row.timestampNs), row.line, metadata]);
        if (!rows.has(key)) rows.set(key, { tenant, stream, row });
      }
    }
  }
  return [...rows.values()];
}

/** Without the texts of errors, which are those of other parsers. */
function textOf(row: PlainRow): string {
  const parsed = new Map(row.parsed);
  if (row.error !== '') parsed.set('__error__', row.error);
  return JSON.stringify([row.line, keyOf(row.stream), keyOf(row.metadata), keyOf(parsed)]);
}

function lineText(stream: Texts, line: string, { structuredMetadata = {}, parsed = {} }: Categories): string {
  const maps = [stream, structuredMetadata, parsed].map((each) => new Map(Object.entries(each)));
  maps[2].delete('__error_details__');
  return JSON.stringify([line, ...maps.map(keyOf)]);
}

/** Parsed labels may be empty before a grouping; whether a series shows them is not judged. */
function withoutEmpty(labels: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...labels].filter(([, value]) => value !== ''));
}

function numberOf(text: string): number {
  return text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text);
}

function isSame(a: readonly number[], b: readonly number[], scale: number): boolean {
  const order = (x: number, y: number) => (Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : x - y);
  const [left, right] = [a.toSorted(order), b.toSorted(order)];
  return left.length === right.length && left.every((value, i) => Object.is(value, right[i]) || value === right[i] || Math.abs(value - right[i]) <= 1e-9 * scale); // prettier-ignore
}
