import { quoteGo } from '@loki/go';
import { LokiError } from '@loki/model';
import { plainAlternatives } from '@loki/regex';
import type { Expr, LogExpr, Matcher, MetricExpr, RangeAggExpr } from './ast.ts';
import { parseError, parseErrorAt } from './errors.ts';
import { grammar } from './grammar.ts';
import { buildTables } from './lalr.ts';
import type { State } from './lalr.ts';
import { Lexer } from './lexer.ts';
import type { Token } from './lexer.ts';
import { compileMatcher } from './matchers.ts';

/** Query text longer than this is refused unread. */
export const queryBytesMax = 131_072;

/**
 * Words and signs of a query. Lists of many names are one regular expression; what has more words than this
 * was not written to be answered, and each takes some 5 us of a thread that answers others too.
 */
const tokensMax = 10_000;

/** Log selections of a query: each is planned, asked of every ingester and merged on its own. */
export const selectionsMax = 256;

/**
 * Characters of a selector's regular expression that is no list of names: it is run on an empty text here,
 * after compiling, on the thread that answers everybody, and most longer ones were refused for their cost.
 */
const matcherCharsMax = 16_384;

/** More expected tokens than this are not listed. */
const expectationsMax = 4;

// Built at the first query, not at import: a process that parses none need not pay for it.
let tables: readonly State[] | undefined;

/**
 * The scanner takes any letter, digit or sign for an identifier. `valid`: a query with a name that no label
 * can have is refused. `any`: it is shown (format_query), with the name in quotes.
 */
type LabelNames = 'valid' | 'any';

const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Reads a query: syntax, literals, names, selectors, aggregations. The insides of line filters, parsers and
 * templates are left to `checkExpr`.
 *
 * @throws LokiError badRequest with Loki's text
 */
export function parseSyntax(query: string, names: LabelNames = 'valid'): Expr {
  const bytes = Buffer.byteLength(query);
  if (bytes > queryBytesMax) throw parseError(`input size too long (${bytes} > ${queryBytesMax})`);
  const expr = run(query, names);
  checkSelectors(expr);
  return expr;
}

/**
 * Reads a log query whose selector may match every stream, `{}` included. Delete requests are written in it.
 * Like `parseSyntax` it does not look inside stages.
 *
 * @param names `any` for a query that was accepted long ago and has to mean what it meant
 * @throws LokiError badRequest
 */
export function parseSelectionSyntax(query: string, names: LabelNames = 'valid'): LogExpr {
  if (Buffer.byteLength(query) > queryBytesMax) throw parseError('input size too long');
  const expr = run(query, names);
  if (expr.kind !== 'log') throw parseError('only log queries select entries');
  return expr;
}

/** The parser proper: an explicit stack, so that no nesting overflows ours. */
function run(query: string, names: LabelNames): Expr {
  tables ??= buildTables(grammar);
  const lexer = new Lexer(query);
  const states: number[] = [0];
  const values: unknown[] = [];
  let token: Token | undefined;
  let nameError: LokiError | undefined;
  let tokens = 0;
  for (;;) {
    const state = tables[states.at(-1)!];
    // A state that can only reduce does so unread: what follows must not fail before what precedes.
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
    states.push(tables[states.at(-1)!].gotos.get(head)!);
  }
}

function checkLabelName({ value, line, column }: Token): LokiError | undefined {
  if (labelName.test(value as string)) return undefined;
  return parseErrorAt(line, column, `invalid label name ${quoteGo(value as string)}`);
}

function syntaxError(state: State, token: Token): LokiError {
  let message = `syntax error: unexpected ${token.name}`;
  const expected = grammar.terminals.filter((terminal) => state.shifts.has(terminal));
  if (expected.length > 0 && expected.length <= expectationsMax) {
    message += `, expecting ${expected.join(' or ')}`;
  }
  return parseErrorAt(token.line, token.column, message);
}

/** Each selector must rule something out for streams that lack its labels: others would select everything. */
function checkSelectors(expr: Expr): void {
  const logExprs = logExprsOf(expr);
  if (logExprs.length > selectionsMax) {
    throw parseError(`too many log selections (${logExprs.length} > ${selectionsMax})`);
  }
  for (const log of logExprs) {
    if (log.matchers.some((matcher) => !acceptsMissing(matcher))) continue;
    throw parseError(
      'queries require at least one regexp or equality matcher that does not have an empty-compatible value. ' +
        'For instance, app=~".*" does not meet this requirement, but app=~".+" will',
    );
  }
}

/** Whether a matcher accepts streams without its label. */
function acceptsMissing(matcher: Matcher): boolean {
  const { op, value } = matcher;
  const { length } = value;
  if (length > matcherCharsMax && (op === '=~' || op === '!~') && !plainAlternatives(value)) {
    throw parseError(`regular expression of a selector is too long (${length} > ${matcherCharsMax})`);
  }
  return compileMatcher(matcher).matches('');
}

/** Whether the query yields samples. False: it yields log lines. */
export function isMetric(expr: Expr): expr is MetricExpr {
  return expr.kind !== 'log';
}

/** The log expressions of a query, from left to right. */
export function logExprsOf(expr: Expr): LogExpr[] {
  return rangesOf(expr).map(({ log }) => log);
}

/** The log expressions of a query, from left to right, each with the unwrap behind it. */
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
 * The range aggregation that a sample leaf is, or has inside.
 *
 * @throws LokiError internal: only the planner makes leaves, so anything else is our own mistake
 */
export function rangeAggregationOf(expr: Expr): RangeAggExpr {
  if (expr.kind === 'rangeAgg') return expr;
  if (expr.kind === 'vectorAgg') return rangeAggregationOf(expr.expr);
  throw new LokiError('internal', `a sample leaf must be a range aggregation, not ${expr.kind}`);
}

/** The first log expression of a query; undefined for one made of numbers only. */
export function logExprOf(expr: Expr): LogExpr | undefined {
  return logExprsOf(expr)[0];
}

/**
 * Reads a bare selector.
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
