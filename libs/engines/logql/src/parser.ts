/** Parses queries by the grammar's tables: step *admit* of a query. */
import { quoteGo } from '@loki/go';
import { LokiError } from '@loki/model';
import { plainAlternatives } from '@loki/regex';
import type { Expr, LogExpr, Matcher, MetricExpr, RangeAggExpr } from './ast.ts';
import { parseError, parseErrorAt } from './errors.ts';
import type { ParserState } from './grammar-spec.ts';
import { grammar } from './grammar.ts';
import { Lexer } from './lexer.ts';
import type { Token } from './lexer.ts';
import { compileMatcher } from './matchers.ts';
import type { StringMatcher } from './matchers.ts';
import { parsedText, rememberParsed, treeOf } from './parsed-texts.ts';
import { parserState } from './parser-states.ts';
import { mainThreadSizeMax, withoutPatternChecks } from './regex-check.ts';

/** A longer query is refused before it is parsed. */
export const queryBytesMax = 131_072;

/**
 * Most tokens of a query. Long lists of names are one token (a regular expression), so honest queries have
 * fewer. Each token takes some 5 us of the main thread.
 */
const tokensMax = 10_000;

/** Log selections of a query: each is planned, sent to every ingester and merged separately. */
export const selectionsMax = 256;

/**
 * Longest regular expression of a selector, unless it is a list of names. The main thread compiles it for the
 * streams of heads; the engine refuses most longer ones for their cost anyway.
 */
const matcherCharsMax = 16_384;

/** A small pattern takes as long to compile as this many instructions of a large one. */
const patternSizeMin = 16;

/** An error lists at most this many expected tokens. */
const expectationsMax = 4;

/**
 * The scanner accepts any letters in identifiers. `valid`: a query with a name that no label can have is
 * refused. `any`: such names are accepted; format_query shows them in quotes.
 */
type LabelNames = 'valid' | 'any';

const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Parses a query and checks literals, names, selectors and aggregations. `checkExpr` checks the contents of
 * line filters, parsers and templates.
 *
 * @throws LokiError badRequest with Loki's text
 */
export function parseSyntax(query: string, names: LabelNames = 'valid'): Expr {
  const parsed = names === 'valid' ? parsedText(query) : undefined;
  if (parsed) return treeOf(parsed, ['selectorFault']);
  const expr = parseGrammar(query, names);
  checkSelectors(expr);
  return expr;
}

/** Parses a query by the grammar alone. */
export function parseGrammar(query: string, names: LabelNames = 'valid'): Expr {
  const bytes = Buffer.byteLength(query);
  if (bytes > queryBytesMax) throw parseError(`input size too long (${bytes} > ${queryBytesMax})`);
  return run(query, names);
}

/**
 * Parses the text of a leaf, which was printed from a checked tree: no checks; the tree is cached.
 */
export function parseLeafText(text: string): Expr {
  const parsed = parsedText(text);
  if (parsed?.expr) return parsed.expr;
  const expr = withoutPatternChecks(() => run(text, 'valid'));
  rememberParsed(text, { expr });
  return expr;
}

/**
 * Parses a log query whose selector may match every stream, also `{}`. Delete requests are such queries. Like
 * `parseSyntax` it does not check the contents of stages.
 *
 * @param names `any` for a stored query, which must keep its meaning
 * @throws LokiError badRequest
 */
export function parseSelectionSyntax(query: string, names: LabelNames = 'valid'): LogExpr {
  const parsed = names === 'valid' ? parsedText(query) : undefined;
  const expr = parsed ? treeOf(parsed, []) : parseGrammar(query, names);
  if (expr.kind !== 'log') throw parseError('only log queries select entries');
  return expr;
}

/** Runs the parser with an explicit stack, so that nesting cannot overflow the JavaScript stack. */
function run(query: string, names: LabelNames): Expr {
  const lexer = new Lexer(query);
  const states: number[] = [0];
  const values: unknown[] = [];
  let token: Token | undefined;
  let nameError: LokiError | undefined;
  let tokens = 0;
  for (;;) {
    const state = parserState(states.at(-1)!);
    // A state that can only reduce does not read the next token: an error there must not hide an earlier
    // error.
    const isSimple = state.shifts.size === 0 && state.reductions.size === 0 && !state.accepts;
    let rule = state.defaultRule;
    if (!isSimple) {
      if (!token && ++tokens > tokensMax) throw parseError(`input has too many tokens (limit ${tokensMax})`);
      token ??= lexer.next();
      const shift = state.shifts.get(token.name);
      if (shift !== undefined) {
        if (token.name === 'IDENTIFIER' && names === 'valid') nameError ??= checkLabelName(token);
        states.push(shift);
        values.push(token.value);
        token = undefined;
        continue;
      }
      if (state.accepts && token.name === '$end') {
        const error = lexer.error ?? nameError;
        if (error) throw error;
        return values[0] as Expr;
      }
      rule = state.reductions.get(token.name) ?? rule;
    }
    if (rule < 0) throw lexer.error ?? syntaxError(state, token!);
    const { head, body, action } = grammar.rules[rule];
    const parts = values.splice(values.length - body.length, body.length);
    states.length -= body.length;
    values.push((action as (...parts: unknown[]) => unknown)(...parts));
    states.push(parserState(states.at(-1)!).gotos.get(head)!);
  }
}

function checkLabelName({ value, line, column }: Token): LokiError | undefined {
  if (labelName.test(value as string)) return undefined;
  return parseErrorAt(line, column, `invalid label name ${quoteGo(value as string)}`);
}

function syntaxError(state: ParserState, token: Token): LokiError {
  let message = `syntax error: unexpected ${token.name}`;
  const expected = grammar.terminals.filter((terminal) => state.shifts.has(terminal));
  if (expected.length > 0 && expected.length <= expectationsMax) {
    message += `, expecting ${expected.join(' or ')}`;
  }
  return parseErrorAt(token.line, token.column, message);
}

/**
 * Each selector needs a matcher that refuses streams without its label: others would select everything.
 *
 * @throws LokiError badRequest, also for patterns that are too large
 */
export function checkSelectors(expr: Expr): void {
  const logExprs = logExprsOf(expr);
  if (logExprs.length > selectionsMax) {
    throw parseError(`too many log selections (${logExprs.length} > ${selectionsMax})`);
  }
  const sizes = new Map<string, number>();
  for (const { matchers } of logExprs) {
    let isSelective = false;
    for (const matcher of matchers) {
      const compiled = compileBounded(matcher);
      if (compiled.size > 0) sizes.set(matcher.value, Math.max(compiled.size, patternSizeMin));
      isSelective ||= !compiled.matches('');
    }
    if (isSelective) continue;
    throw parseError(
      'queries require at least one regexp or equality matcher that does not have an empty-compatible value. ' +
        'For instance, app=~".*" does not meet this requirement, but app=~".+" will',
    );
  }
  const size = sizes.values().reduce((sum, each) => sum + each, 0);
  if (size > mainThreadSizeMax) {
    throw parseError(`regular expressions of selectors are too large (${size} > ${mainThreadSizeMax})`);
  }
}

function compileBounded(matcher: Matcher): StringMatcher {
  const { op, value } = matcher;
  const { length } = value;
  if (length > matcherCharsMax && (op === '=~' || op === '!~') && !plainAlternatives(value)) {
    throw parseError(`regular expression of a selector is too long (${length} > ${matcherCharsMax})`);
  }
  return compileMatcher(matcher);
}

/** Whether the query yields samples. False: it yields log lines. */
export function isMetric(expr: Expr): expr is MetricExpr {
  return expr.kind !== 'log';
}

/** The log expressions of a query, from left to right. */
export function logExprsOf(expr: Expr): LogExpr[] {
  return rangesOf(expr).map(({ log }) => log);
}

/** The log expressions of a query, from left to right, each with its unwrap. */
export function rangesOf(expr: Expr): Pick<RangeAggExpr, 'log' | 'unwrap'>[] {
  const ranges: Pick<RangeAggExpr, 'log' | 'unwrap'>[] = [];
  const visit = (node: Expr): void => {
    switch (node.kind) {
      case 'log':
        ranges.push({ log: node });
        break;
      case 'rangeAgg':
        ranges.push(node);
        break;
      case 'vectorAgg':
      case 'labelReplace':
        visit(node.expr);
        break;
      case 'binary':
        visit(node.left);
        visit(node.right);
        break;
      case 'literal':
      case 'vector':
        break;
    }
  };
  visit(expr);
  return ranges;
}

/**
 * The range aggregation of a sample leaf: the leaf itself, or inside its vector aggregation.
 *
 * @throws LokiError internal: only the planner creates leaves, so another kind is a fault of this program
 */
export function rangeAggregationOf(expr: Expr): RangeAggExpr {
  if (expr.kind === 'rangeAgg') return expr;
  if (expr.kind === 'vectorAgg') return rangeAggregationOf(expr.expr);
  throw new LokiError('internal', `a sample leaf must be a range aggregation, not ${expr.kind}`);
}

/** The first log expression of a query; undefined for a query of numbers only. */
export function logExprOf(expr: Expr): LogExpr | undefined {
  return logExprsOf(expr)[0];
}

/**
 * Parses a selector.
 *
 * @throws LokiError badRequest: Loki's parse errors, or its refusal of anything more than a selector
 */
export function parseMatchers(text: string): readonly Matcher[] {
  const expr = parseSyntax(text);
  if (expr.kind !== 'log' || expr.stages.length > 0) {
    throw new LokiError('badRequest', 'only label matchers are supported');
  }
  return expr.matchers;
}
