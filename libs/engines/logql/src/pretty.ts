/** Formats a query over several lines, as Loki's format_query does. */
import { formatGoDuration, formatPrometheusDuration, quoteGo } from '@loki/go';
import { nsPerMs } from '@loki/model';
import type { BinaryExpr, BinaryOp, Expr, Grouping, LogExpr, RangeAggExpr, Stage } from './ast.ts';
import { formatNumber } from './numbers.ts';
import {
  canonicalText, labelReplaceTexts, printGrouping, printOperator, printSelector, printStage, unwrapParts,
} from './print.ts'; // prettier-ignore
import { operatorLevels } from './tokens.ts';

/** A longer expression is broken into lines. */
const lineBytesMax = 100;

/** The query on one or several lines, depending on its length, like Loki's format_query. */
export function formatExpr(expr: Expr): string {
  return pretty(expr, 0);
}

const fitsOneLine = (text: string) => Buffer.byteLength(text) <= lineBytesMax;
const indent = (level: number) => '  '.repeat(level);

function pretty(expr: Expr, level: number): string {
  const text = canonicalText(expr);
  if (fitsOneLine(text)) return indent(level) + text;
  switch (expr.kind) {
    case 'log':
      return prettyLog(expr, level);
    case 'rangeAgg':
      return prettyRangeAgg(expr, level);
    case 'vectorAgg': {
      const parameter = expr.parameter === undefined ? [] : [formatNumber(expr.parameter)];
      const name = expr.op + prettyGrouping(expr.grouping);
      return call({ name, firstArguments: parameter, body: pretty(expr.expr, level + 1) }, level);
    }
    case 'labelReplace':
      return call(
        {
          name: 'label_replace',
          body: pretty(expr.expr, level + 1),
          lastArguments: labelReplaceTexts(expr).map(quoteGo),
        },
        level,
      );
    case 'binary':
      return prettyBinary(expr, level);
    case 'literal':
    case 'vector':
      return indent(level) + text;
  }
}

interface PrintedCall {
  readonly name: string;
  readonly firstArguments?: readonly string[];
  /** The operand, already indented. */
  readonly body: string;
  readonly lastArguments?: readonly string[];
}

/** `name(`, with each argument on its own line, `)`. */
function call({ name, firstArguments = [], body, lastArguments = [] }: PrintedCall, level: number): string {
  const inner = indent(level + 1);
  const lines = [
    ...firstArguments.map((argument) => inner + argument),
    body,
    ...lastArguments.map((argument) => inner + argument),
  ];
  return `${indent(level)}${name}(\n${lines.join(',\n')}\n${indent(level)})`;
}

/** One stage a line; consecutive line filters share a line. `decolorize` is not indented, as in Loki. */
function prettyLog(expr: LogExpr, level: number): string {
  const lines = [indent(level) + printSelector(expr.matchers, 'display')];
  let previous: Stage['kind'] | undefined;
  for (const stage of expr.stages) {
    const text = printStage(stage, 'display');
    if (stage.kind === 'lineFilter' && previous === 'lineFilter') lines.push(`${lines.pop()} ${text}`);
    else lines.push(stage.kind === 'decolorize' ? text : indent(level + 1) + text);
    previous = stage.kind;
  }
  return lines.join('\n');
}

function prettyRangeAgg(expr: RangeAggExpr, level: number): string {
  const parameter = expr.parameter === undefined ? [] : [formatNumber(expr.parameter)];
  let body = pretty(expr.log, level + 1);
  if (expr.unwrap) {
    for (const part of unwrapParts(expr.unwrap, 'display')) body += `\n${indent(level + 2)}${part}`;
  }
  body += ` [${formatPrometheusDuration(expr.rangeNs)}]${prettyOffset(expr.offsetNs)}`;
  return call({ name: expr.op, firstArguments: parameter, body }, level) + prettyGrouping(expr.grouping);
}

/** `offset 1h`, where the one-line form is `offset 1h0m0s`; fractions of a millisecond need the latter. */
function prettyOffset(offsetNs: bigint): string {
  if (offsetNs === 0n) return '';
  return ` offset ${offsetNs % nsPerMs === 0n ? formatPrometheusDuration(offsetNs) : formatGoDuration(offsetNs)}`;
}

/** Without labels `by ()` is left out, and `without ()` has no parentheses, as recorded from Loki. */
function prettyGrouping(grouping: Grouping | undefined): string {
  if (!grouping || grouping.labels.length > 0) return printGrouping(grouping, ', ');
  return grouping.without ? ' without' : '';
}

/** A matching without labels is left out of a wrapped operation, unless a group modifier needs it. */
function prettyBinary(expr: BinaryExpr, level: number): string {
  const { labels, card } = expr.matching;
  const isBare = labels.length === 0 && card === 'one-to-one';
  const matching = isBare ? { ...expr.matching, on: false } : expr.matching;
  const operator = indent(level) + printOperator({ ...expr, matching }, ', ');
  const [left, right] = [expr.left, expr.right].map((operand) =>
    needsParentheses(operand, expr) ? call({ name: '', body: pretty(operand, level + 2) }, level + 1) : pretty(operand, level + 1),
  ); // prettier-ignore
  return `${left}\n${operator}\n${right}`;
}

/**
 * Whether the operand needs parentheses on lines of its own to keep its meaning. On one line it already has
 * them.
 */
function needsParentheses(operand: Expr, { op, right }: BinaryExpr): boolean {
  if (operand.kind !== 'binary' || fitsOneLine(canonicalText(operand))) return false;
  const [inner, outer] = [levelOf(operand.op), levelOf(op)];
  if (inner !== outer) return inner < outer;
  return (operatorLevels[outer].associativity === 'left') === (operand === right);
}

function levelOf(op: BinaryOp): number {
  return operatorLevels.findIndex(({ operators }) => (operators as readonly string[]).includes(op));
}
