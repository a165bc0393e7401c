/** Writes a query's tree as text: exact for machines, or as Loki shows it. */
import { formatGoDuration, formatPrometheusDuration, quoteGo } from '@loki/go';
import type {
  BinaryExpr, Expr, Extraction, Grouping, LabelFilter, LineFilterStageSpec, LogExpr, Matcher, RangeAggExpr, Stage, Unwrap,
} from './ast.ts'; // prettier-ignore
import { formatByteSize, formatNumber, formatSixDigits } from './numbers.ts';
import { rememberParsed } from './parsed-texts.ts';

/**
 * The purpose of a text. `display` is Loki's canonical text: it rounds sizes and `vector` numbers and quotes
 * unusual label names, so it may parse to another tree. `exact` parses to the same tree, and is the same
 * otherwise.
 */
type PrintStyle = 'exact' | 'display';

/** One line that parses back to the same tree: for sending a query to other processes, and as a cache key. */
export function printExpr(expr: Expr): string {
  return print(expr, 'exact');
}

/** The text of a leaf: as `printExpr`, and reading it again in this process costs nothing. */
export function printLeaf(expr: Expr): string {
  const text = printExpr(expr);
  rememberParsed(text, { expr });
  return text;
}

/** One line, as Loki shows the query to users. */
export function canonicalText(expr: Expr): string {
  return print(expr, 'display');
}

function print(expr: Expr, style: PrintStyle): string {
  switch (expr.kind) {
    case 'log':
      return printLog(expr, style);
    case 'rangeAgg':
      return printRangeAgg(expr, style);
    case 'vectorAgg': {
      const parameter = expr.parameter === undefined ? '' : `${formatNumber(expr.parameter)},`;
      return `${expr.op}${vectorGrouping(expr.grouping, ',')}(${parameter}${print(expr.expr, style)})`;
    }
    case 'binary':
      return `(${print(expr.left, style)} ${printOperator(expr, ',')} ${print(expr.right, style)})`;
    case 'literal':
      return printLiteral(expr.value, style);
    case 'labelReplace':
      return `label_replace(${[print(expr.expr, style), ...labelReplaceTexts(expr).map(quoteGo)].join(',')})`;
    case 'vector':
      return `vector(${style === 'exact' ? formatNumber(expr.value) : formatSixDigits(expr.value)})`;
  }
}

export function labelReplaceTexts(expr: Expr & { kind: 'labelReplace' }): string[] {
  return [expr.destination, expr.replacement, expr.source, expr.pattern];
}

/** A number. NaN and infinities, which LogQL cannot spell, become an operation that folds to them. */
function printLiteral(value: number, style: PrintStyle): string {
  if (style === 'display' || Number.isFinite(value)) return formatNumber(value);
  if (Number.isNaN(value)) return '(0 / 0)';
  return value > 0 ? '(1e308 * 10)' : '(-1e308 * 10)';
}

function printLog(expr: LogExpr, style: PrintStyle): string {
  let text = printSelector(expr.matchers, style);
  for (const stage of expr.stages) text += ` ${printStage(stage, style)}`;
  return text;
}

/**
 * A stream selector as text: `{app="web", pod=~"a|b"}`.
 *
 * @param style `exact` does not change names; `display` quotes names that are no plain identifiers
 */
export function printSelector(matchers: readonly Matcher[], style: PrintStyle = 'exact'): string {
  return `{${matchers.map((matcher) => printMatcher(matcher, style)).join(', ')}}`;
}

function printMatcher({ name, op, value }: Matcher, style: PrintStyle): string {
  const isPlain = style === 'exact' || /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
  return (isPlain ? name : quoteGo(name)) + op + quoteGo(value);
}

/** One stage, with its `|`. */
export function printStage(stage: Stage, style: PrintStyle): string {
  switch (stage.kind) {
    case 'lineFilter':
      return printLineFilter(stage);
    case 'json':
      return `| json${printExtractions(stage.extractions)}`;
    case 'logfmt':
      return `| logfmt${stage.strict ? ' --strict' : ''}${stage.keepEmpty ? ' --keep-empty' : ''}${printExtractions(stage.extractions)}`;
    case 'regexp':
    case 'pattern':
      return `| ${stage.kind} ${quoteGo(stage.pattern)}`;
    case 'unpack':
    case 'decolorize':
      return `| ${stage.kind}`;
    case 'labelFilter':
      return `| ${printFilter(stage.filter, style)}`;
    case 'lineFormat':
      return `| line_format ${quoteGo(stage.template)}`;
    case 'labelFormat':
      return `| label_format ${stage.formats
        .map((format) => `${format.label}=${'rename' in format ? format.rename : quoteGo(format.template)}`)
        .join(',')}`;
    case 'drop':
    case 'keep':
      return `| ${stage.kind} ${stage.targets
        .map((target) => (typeof target === 'string' ? target : printMatcher(target, style)))
        .join(',')}`;
  }
}

function printLineFilter({ op, operands }: LineFilterStageSpec): string {
  return `${op} ${operands.map(({ text, ip }) => (ip ? `ip(${quoteGo(text)})` : quoteGo(text))).join(' or ')}`;
}

function printExtractions(extractions: readonly Extraction[]): string {
  if (extractions.length === 0) return '';
  return ` ${extractions.map(({ label, expression }) => `${label}=${quoteGo(expression)}`).join(',')}`;
}

function printFilter(filter: LabelFilter, style: PrintStyle): string {
  switch (filter.kind) {
    case 'string':
      return printStringFilter(filter.matcher, style);
    case 'number':
      return filter.name + filter.op + formatNumber(filter.value);
    case 'duration':
      return filter.name + filter.op + formatGoDuration(filter.valueNs);
    case 'bytes':
      return filter.name + filter.op + (style === 'exact' ? exactByteSize(filter.valueBytes) : formatByteSize(filter.valueBytes)); // prettier-ignore
    case 'ip':
      return `${filter.name}${filter.op}ip(${quoteGo(filter.pattern)})`;
    case 'and':
      return `( ${printFilter(filter.left, style)} , ${printFilter(filter.right, style)} )`;
    case 'or':
      return `( ${printFilter(filter.left, style)} or ${printFilter(filter.right, style)} )`;
  }
}

/** `0B` would be read as the begin of a binary number. */
function exactByteSize(bytes: number): string {
  return bytes === 0 ? '0KB' : `${formatNumber(bytes)}B`;
}

/**
 * Loki shows a filter's regular expression in backticks when it runs it as one, and in double quotes when
 * comparisons with literals suffice: `level=~"warn|err.*"`, but level=~`err[0-9]`.
 */
function printStringFilter(matcher: Matcher, style: PrintStyle): string {
  const { name, op, value } = matcher;
  if (style === 'exact' || op !== '=~' || isLiteralSearch(value) || /[`\r]/.test(value)) {
    return printMatcher(matcher, style);
  }
  return `${name}${op}\`${value}\``;
}

/** Text without special characters, optionally with `.*` before or after it; or `.+`. */
const literalPart = /^(?:\.\*)?(?:[^\\.+*?()|[\]{}^$]|\\[\\.+*?()|[\]{}^$])*(?:\.\*)?$|^\.\+$/s;

/** Whether the regular expression searches for literals, optionally with any text around them. */
function isLiteralSearch(pattern: string): boolean {
  const alternatives = pattern.replace(/^\(\?i\)/, '').replace(/^\((?:\?:)?([^()]*)\)$/, '$1');
  return alternatives.split(/(?<!\\)\|/).every((part) => literalPart.test(part));
}

function printRangeAgg(expr: RangeAggExpr, style: PrintStyle): string {
  const parameter = expr.parameter === undefined ? '' : `${formatNumber(expr.parameter)},`;
  let inner = print(expr.log, style);
  if (expr.unwrap) for (const part of unwrapParts(expr.unwrap, style)) inner += ` ${part}`;
  return `${expr.op}(${parameter}${inner}${printRange(expr)})${printGrouping(expr.grouping, ',')}`;
}

/** The unwrap and the filters after it, each with its `|`. */
export function unwrapParts(unwrap: Unwrap, style: PrintStyle): string[] {
  const { conversion, label, filters } = unwrap;
  const operand = conversion === '' ? label : `${conversion}(${label})`;
  return [`| unwrap ${operand}`, ...filters.map((filter) => `| ${printFilter(filter, style)}`)];
}

function printRange({ rangeNs, offsetNs }: RangeAggExpr): string {
  const offset = offsetNs === 0n ? '' : ` offset ${formatGoDuration(offsetNs)}`;
  return `[${formatPrometheusDuration(rangeNs)}]${offset}`;
}

export function printGrouping(grouping: Grouping | undefined, separator: string): string {
  if (!grouping) return '';
  return ` ${grouping.without ? 'without' : 'by'} (${grouping.labels.join(separator)})`;
}

/** `by ()` means no grouping and is not written. */
function vectorGrouping(grouping: Grouping | undefined, separator: string): string {
  if (!grouping || (!grouping.without && grouping.labels.length === 0)) return '';
  return printGrouping(grouping, separator);
}

/** The operator with `bool` and the matching; a blank follows `on (…)` in place of an absent `group_left`. */
export function printOperator({ op, matching }: BinaryExpr, separator: string): string {
  let text = matching.returnBool ? `${op} bool` : op;
  if (matching.on || matching.labels.length > 0 || matching.card !== 'one-to-one') {
    text += ` ${matching.on ? 'on' : 'ignoring'} (${matching.labels.join(separator)}) `;
    if (matching.card !== 'one-to-one') {
      text += matching.card === 'many-to-one' ? 'group_left' : 'group_right';
      if (matching.include.length > 0) text += ` (${matching.include.join(separator)})`;
    }
  }
  return text;
}
