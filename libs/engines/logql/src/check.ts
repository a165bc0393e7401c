/** Parses a query and checks its meaning: step *admit* of a query, and the start of each leaf. */
import { compileRegex } from '@loki/regex';
import { compileTemplate } from '@loki/template';
import type { Expr, LabelFilter, LabelFormat, LineFilterStageSpec, LogExpr, Stage } from './ast.ts';
import { messageOfPart, QueryPartError, stageError } from './errors.ts';
import { parseIpMatcher } from './ip.ts';
import { parseJsonPath, parseLogfmtKey } from './json-path.ts';
import { faultOf, parsedText, rememberParsed, treeOf } from './parsed-texts.ts';
import type { ParsedText } from './parsed-texts.ts';
import { checkSelectors, parseGrammar, parseSelectionSyntax, parseSyntax, rangesOf } from './parser.ts';
import { parseLinePattern } from './pattern.ts';
import { printStage } from './print.ts';

/**
 * Parses a query for execution: `parseSyntax`, and everything inside the stages. Caches the latest trees. A
 * tree is never changed.
 *
 * @throws LokiError badRequest with Loki's text
 */
export function parseExpr(query: string): Expr {
  const parsed = parsedText(query);
  if (parsed) return treeOf(parsed, ['selectorFault', 'stageFault']);
  const expr = parseSyntax(query);
  checkExpr(expr);
  rememberParsed(query, { expr });
  return expr;
}

/** Parses a text for all of its uses: a worker parses long texts, and the main thread caches the result. */
export function readQueryText(query: string): ParsedText {
  let expr: Expr | undefined;
  const fault = faultOf(() => (expr = parseGrammar(query)));
  if (!expr) return { fault };
  const tree = expr;
  return {
    expr,
    selectorFault: faultOf(() => checkSelectors(tree)),
    stageFault: faultOf(() => checkExpr(tree)),
  };
}

/**
 * Parses a log query that may select every stream, with everything inside its stages.
 *
 * @throws LokiError badRequest
 */
export function parseSelection(query: string): LogExpr {
  const expr = parseSelectionSyntax(query);
  const parsed = parsedText(query);
  if (parsed) treeOf(parsed, ['stageFault']);
  else checkExpr(expr);
  return expr;
}

/** Refuses a query with a stage that cannot be built: a bad regex, path, pattern, address or template. */
function checkExpr(expr: Expr): void {
  for (const { log, unwrap } of rangesOf(expr)) {
    for (const stage of log.stages) checkInContext(stage);
    for (const filter of unwrap?.filters ?? []) checkInContext({ kind: 'labelFilter', filter });
  }
}

function checkInContext(stage: Stage): void {
  try {
    checkStage(stage);
  } catch (error) {
    throw stageError(printStage(stage, 'display'), messageOfPart(error));
  }
}

function checkStage(stage: Stage): void {
  switch (stage.kind) {
    case 'lineFilter':
      return checkLineFilter(stage);
    case 'json':
      for (const { expression } of stage.extractions) parseJsonPath(expression);
      return;
    case 'logfmt':
      for (const { expression } of stage.extractions) parseLogfmtKey(expression);
      return;
    case 'lineFormat':
      return checkTemplate(stage.template, 'line', 'invalid line template');
    case 'labelFormat':
      return checkFormats(stage.formats);
    case 'labelFilter':
      return checkAddresses(stage.filter);
    // The parser has checked these already.
    case 'regexp':
    case 'pattern':
    case 'unpack':
    case 'decolorize':
    case 'drop':
    case 'keep':
      return;
    default:
      stage satisfies never;
  }
}

function checkLineFilter({ op, operands }: LineFilterStageSpec): void {
  for (const { text, ip } of operands) {
    if (ip) {
      if (op !== '|=' && op !== '!=') throw new QueryPartError('ip: invalid operation');
      parseIpMatcher(text);
    } else if (op === '|~' || op === '!~') compileRegex(text);
    else if (op === '|>' || op === '!>') parseLinePattern(text);
  }
}

function checkAddresses(filter: LabelFilter): void {
  if (filter.kind === 'and' || filter.kind === 'or') {
    checkAddresses(filter.left);
    checkAddresses(filter.right);
  } else if (filter.kind === 'ip') parseIpMatcher(filter.pattern);
}

function checkFormats(formats: readonly LabelFormat[]): void {
  const names = new Set<string>();
  for (const format of formats) {
    if (format.label === '__error__') throw new QueryPartError('__error__ cannot be formatted');
    if (names.has(format.label)) {
      throw new QueryPartError(
        `multiple label name '${format.label}' not allowed in a single format operation`,
      );
    }
    names.add(format.label);
  }
  for (const format of formats) {
    if ('template' in format) {
      checkTemplate(format.template, 'label', `invalid template for label '${format.label}'`);
    }
  }
}

function checkTemplate(text: string, name: 'line' | 'label', context: string): void {
  try {
    compileTemplate(text, { name });
  } catch (error) {
    throw new QueryPartError(`${context}: ${messageOfPart(error)}`, { cause: error });
  }
}
