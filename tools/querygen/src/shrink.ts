/** Reduces a failing question and its data. */
import { parseExpr, printExpr } from '@loki/logql';
import type { Expr, LogExpr, MetricExpr } from '@loki/logql';
import type { DataSet, Push } from './data.ts';
import type { Question } from './gen-request.ts';

/** Whether the difference remains. */
type StillFails = (data: DataSet, question: Question) => Promise<boolean>;

/** Worlds are built anew for each attempt: this many take some ten seconds. */
const attemptsMax = 400;

/** Reduces the query, then the data, while the difference remains. */
export async function shrink(
  data: DataSet,
  question: Question,
  stillFails: StillFails,
): Promise<{ data: DataSet; question: Question }> {
  let attempts = 0;
  const fails = async (smaller: DataSet, candidate: Question) =>
    ++attempts <= attemptsMax && (await stillFails(smaller, candidate));
  let best = { data, question };
  best = { ...best, data: await fewerPushes(best.data, (smaller) => fails(smaller, best.question)) };
  best = { ...best, question: await simplerQuery(best.question, (candidate) => fails(best.data, candidate)) };
  best = { ...best, data: await fewerPushes(best.data, (smaller) => fails(smaller, best.question)) };
  best = { ...best, data: await fewerRows(best.data, (smaller) => fails(smaller, best.question)) };
  return best;
}

async function simplerQuery(
  question: Question,
  fails: (candidate: Question) => Promise<boolean>,
): Promise<Question> {
  let best = question;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const expr of simpler(parseExpr(best.query))) {
      const query = printExpr(expr);
      if (query.length >= best.query.length || !isQuery(query) || !(await fails({ ...best, query }))) {
        continue;
      }
      best = { ...best, query };
      isSmaller = true;
      break;
    }
  }
  return best;
}

function isQuery(text: string): boolean {
  try {
    parseExpr(text);
    return true;
  } catch {
    return false; // A stage that others need was left out.
  }
}

/** The query with one part less, in each way. */
function* simpler(expr: Expr): Generator<Expr> {
  if (expr.kind === 'log') yield* simplerLog(expr);
  else yield* simplerMetric(expr);
}

function* simplerLog(log: LogExpr): Generator<LogExpr> {
  for (const i of log.stages.keys()) yield { ...log, stages: log.stages.filter((_, k) => k !== i) };
  for (const i of log.matchers.keys()) yield { ...log, matchers: log.matchers.filter((_, k) => k !== i) };
}

function* simplerMetric(expr: MetricExpr): Generator<MetricExpr> {
  switch (expr.kind) {
    case 'rangeAgg':
      for (const log of simplerLog(expr.log)) yield { ...expr, log };
      if (expr.unwrap && expr.unwrap.filters.length > 0) {
        yield { ...expr, unwrap: { ...expr.unwrap, filters: [] } };
      }
      if (expr.grouping) yield { ...expr, grouping: undefined };
      if (expr.offsetNs !== 0n) yield { ...expr, offsetNs: 0n };
      return;
    case 'vectorAgg':
    case 'labelReplace':
      yield expr.expr;
      for (const inner of simplerMetric(expr.expr)) yield { ...expr, expr: inner };
      return;
    case 'binary':
      yield expr.left;
      yield expr.right;
      for (const left of simplerMetric(expr.left)) yield { ...expr, left };
      for (const right of simplerMetric(expr.right)) yield { ...expr, right };
      return;
    case 'literal':
    case 'vector':
  }
}

async function fewerPushes(data: DataSet, fails: (smaller: DataSet) => Promise<boolean>): Promise<DataSet> {
  return { ...data, pushes: await fewer(data.pushes, (pushes) => fails({ ...data, pushes })) };
}

async function fewerRows(data: DataSet, fails: (smaller: DataSet) => Promise<boolean>): Promise<DataSet> {
  const single: Push[] = data.pushes.flatMap(({ tenant, streams }) =>
    streams.flatMap(({ labels, rows }) =>
      rows.map((row) => ({ tenant, streams: [{ labels, rows: [row] }] })),
    ),
  );
  const split = { ...data, pushes: single };
  return (await fails(split)) ? fewerPushes(split, fails) : data;
}

/** Leaves out ever smaller parts of a list while the remainder still fails. */
async function fewer<T>(
  items: readonly T[],
  fails: (candidate: T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let remaining = [...items];
  for (let size = remaining.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < remaining.length;) {
      const candidate = remaining.toSpliced(at, size);
      if (candidate.length > 0 && (await fails(candidate))) remaining = candidate;
      else at += size;
    }
  }
  return remaining;
}
