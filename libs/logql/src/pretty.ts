import { quoteGo } from '@loki/model';
import type { BinaryExpr, Expr, LogExpr, RangeAggExpr } from './ast.ts';
import { formatFloat } from './numbers.ts';
import {
  canonicalText, labelReplaceTexts, printOperator, printRange, printSelector, printStage, rangeGrouping, unwrapParts,
  vectorGrouping,
} from './print.ts'; // prettier-ignore

/** An expression whose one-line text is longer than this is broken into lines. */
const lineBytesMax = 100;

/** The query on as many lines as its length asks for, as the reference's format_query shows it. */
export function formatExpr(expr: Expr): string {
  return pretty(expr, 0);
}

const indent = (level: number) => '  '.repeat(level);

function pretty(expr: Expr, level: number): string {
  const text = canonicalText(expr);
  if (Buffer.byteLength(text) <= lineBytesMax) return indent(level) + text;
  switch (expr.kind) {
    case 'log':
      return prettyLog(expr, level);
    case 'rangeAgg':
      return prettyRangeAgg(expr, level);
    case 'vectorAgg': {
      const parameter = expr.parameter === undefined ? [] : [formatFloat(expr.parameter)];
      return call(
        expr.op + vectorGrouping(expr.grouping, ', '),
        parameter,
        pretty(expr.expr, level + 1),
        [],
        level,
      );
    }
    case 'labelReplace':
      return call(
        'label_replace',
        [],
        pretty(expr.expr, level + 1),
        labelReplaceTexts(expr).map(quoteGo),
        level,
      );
    case 'binary':
      return prettyBinary(expr, level);
    case 'literal':
    case 'vector':
      return indent(level) + text;
  }
}

/** `name(`, each argument on a line of its own, `)`. `body` is indented already. */
function call(
  name: string,
  before: readonly string[],
  body: string,
  after: readonly string[],
  level: number,
): string {
  const inner = indent(level + 1);
  const lines = [
    ...before.map((argument) => inner + argument),
    body,
    ...after.map((argument) => inner + argument),
  ];
  return `${indent(level)}${name}(\n${lines.join(',\n')}\n${indent(level)})`;
}

function prettyLog(expr: LogExpr, level: number): string {
  const lines = [indent(level) + printSelector(expr.matchers, 'display')];
  for (const stage of expr.stages) lines.push(indent(level + 1) + printStage(stage, 'display'));
  return lines.join('\n');
}

function prettyRangeAgg(expr: RangeAggExpr, level: number): string {
  const parameter = expr.parameter === undefined ? [] : [formatFloat(expr.parameter)];
  let body = pretty(expr.log, level + 1);
  if (expr.unwrap)
    for (const part of unwrapParts(expr.unwrap, 'display')) body += `\n${indent(level + 2)}${part}`;
  body += ` ${printRange(expr)}`;
  return call(expr.op, parameter, body, [], level) + rangeGrouping(expr.grouping, ', ');
}

function prettyBinary(expr: BinaryExpr, level: number): string {
  const operator = indent(level) + printOperator(expr, ', ');
  return `${pretty(expr.left, level + 1)}\n${operator}\n${pretty(expr.right, level + 1)}`;
}
