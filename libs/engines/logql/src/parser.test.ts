import fc from 'fast-check';
import { LokiError } from '@loki/model';
import type { Expr, Grouping } from './ast.ts';
import { parseExpr } from './check.ts';
import { logExprsOf, parseMatchers, parseSyntax, queryBytesMax } from './parser.ts';
import { formatExpr } from './pretty.ts';
import { canonicalText, printExpr } from './print.ts';

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof LokiError) return error.message;
    throw error;
  }
  return '';
}

// Runs of these make queries that are nearly right: what a hostile or mistaken client sends.
const pieces = [
  '{a="b"}', '{', '}', '(', ')', '[5m]', '[', ']', '|', '|=', '!=', '|~', '|>', '=', '==', '>', ',', ' ', '\n', '"x"',
  '`y`', '"', 'app', 'json', 'logfmt', '--strict', 'unwrap', 'rate', 'sum', 'by', 'topk', '3', '1.5', '5m', '-', '+', '^',
  'or', 'and', 'on', 'bool', 'group_left', 'offset', 'label_format', 'drop', 'ip("1.1.1.1")', 'vector(1)', '# c\n', '//',
  'count_over_time({a="b"}[1m])', 'sum by (x) (', 'line_format', 'ż', '\u0000', '5MB', '0x', '1_', "'",
  '\\', '@', '\udcff', '1e', 'x=ip("1")', '| pattern "<_>"',
]; // prettier-ignore

test('any text is parsed, or refused with a LokiError', () => {
  const nearly = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(nearly, nearly, fc.string({ unit: 'binary' })), (query) => {
      messageOf(() => formatExpr(parseSyntax(query, 'any')));
      messageOf(() => parseExpr(query));
    }),
    { numRuns: 3000 },
  );
});

const name = fc
  .stringMatching(/^[a-z_][a-z0-9_]{0,5}$/)
  .filter((word) => !/^(by|on|json|or|and|bool|keep|drop|of)$/.test(word));
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom('a"b', 'c\\d', '`', '\n'),
);
const quoted = text.map((value) => JSON.stringify(value).replaceAll('\u2028', ' '));
const number = fc.oneof(
  fc.integer({ min: 0, max: 1e6 }).map(String),
  fc.double({ min: 1e-9, max: 1e22, noNaN: true }).map(String),
);
const filter: fc.Arbitrary<string> = fc.letrec<{ filter: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    fc.tuple(name, fc.constantFrom('=', '!='), quoted).map((parts) => parts.join('')),
    fc.tuple(name, fc.constantFrom('=~', '!~'), fc.constantFrom('"a.*"', '"x|y"', '"2..|`4.."', '"\\\\d+ms"', '"^$"', '`\\w`')).map((parts) => parts.join('')),
    fc.tuple(name, fc.constantFrom('=', '!='), fc.constantFrom('ip("10.0.0.0/8")', 'ip("::1")')).map((parts) => parts.join('')),
    fc.tuple(name, fc.constantFrom('=', '==', '!=', '>', '>=', '<', '<='), fc.oneof(number, fc.constantFrom('5m', '1h2m3.5s', '5MB', '1.5KiB', '42B', '-3'))).map((parts) => parts.join('')),
  ),
  filter: fc.oneof({ maxDepth: 3 }, tie('leaf'), fc.tuple(tie('filter'), fc.constantFrom(' and ', ' or ', ' , ', ' '), tie('filter')).map((parts) => `(${parts.join('')})`)),
})).filter; // prettier-ignore
const stage = fc.oneof(
  fc.tuple(fc.constantFrom('|=', '!='), fc.array(quoted, { minLength: 1, maxLength: 3 })).map(([op, values]) => `${op} ${values.join(' or ')}`),
  fc.constantFrom('|~ "a.*b"', '!~ "^$"', '|> "<_>x"', '|= ip("10.0.0.1")', '| regexp "(?P<x>a+)"'),
  filter.map((inner) => `| ${inner}`),
  fc.constantFrom('| json', '| json a="b.c",d', '| logfmt --strict', '| logfmt a', '| unpack', '| decolorize', '| drop a,b="c"', '| pattern "<a> <_>"', '| line_format "{{.x}}"', '| label_format a=b,c="d"'),
); // prettier-ignore
const log = fc.array(stage, { maxLength: 4 }).map((stages) => `{a="b"} ${stages.join(' ')}`);
const grouping = fc.constantFrom('', ' by (x, y)', ' without (z)', ' by ()');
const metric: fc.Arbitrary<string> = fc.letrec<{ metric: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    fc.tuple(fc.constantFrom('rate', 'count_over_time', 'bytes_rate'), log, fc.constantFrom('', ' offset 5m', ' offset -1h')).map(([op, inner, offset]) => `${op}(${inner} [5m]${offset})`),
    fc.tuple(log, grouping).map(([inner, group]) => `quantile_over_time(0.9, ${inner} | unwrap bytes(x) | __error__="" [1h])${group}`),
    number, number.map((value) => `vector(${value})`),
  ),
  metric: fc.oneof({ maxDepth: 4 }, tie('leaf'),
    fc.tuple(fc.constantFrom('sum', 'avg', 'stddev'), grouping, tie('metric')).map(([op, group, inner]) => `${op}${group}(${inner})`),
    fc.tuple(tie('metric'), grouping).map(([inner, group]) => `topk(3, ${inner})${group}`),
    fc.tuple(tie('metric'), fc.constantFrom('+', '- ', '*', '/', '%', '^', '> bool ', '==', ' * on (a) group_left (b) ', ' / ignoring (c) '), tie('metric')).map(([left, op, right]) => `(${left} ${op} ${right})`),
    tie('metric').map((inner) => `label_replace(${inner}, "a", "$1", "b", "(.*)")`),
  ),
})).metric; // prettier-ignore

test('exact text reads back to the same tree', () => {
  fc.assert(
    fc.property(fc.oneof(log, metric), (query) => {
      const expr = parseSyntax(query);
      const exact = printExpr(expr);
      const again = parseSyntax(exact);
      expect(withoutEmptyBy(again)).toEqual(withoutEmptyBy(expr));
      expect(printExpr(again)).toBe(exact);
      expect(formatExpr(again)).toBe(formatExpr(expr));
      expect(canonicalText(again)).toBe(canonicalText(expr));
    }),
    { numRuns: 500 },
  );
});

/** The tree without the groupings of `sum by () (…)`, which mean nothing. */
function withoutEmptyBy(expr: Expr): unknown {
  const text = JSON.stringify(expr, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    const { kind, grouping } = (value ?? {}) as { kind?: string; grouping?: Grouping };
    const isEmptyBy = kind === 'vectorAgg' && grouping && !grouping.without && grouping.labels.length === 0;
    return isEmptyBy ? { ...(value as object), grouping: undefined } : value;
  });
  return JSON.parse(text);
}

// Sizes, `vector` and empty groupings are rounded or shortened by the reference's display; infinities have no
// literal.
const isLossy = (query: string) =>
  /\d(?:[KM]i?B|B)|vector|\(\)/.test(query) || /Inf|NaN/.test(canonicalText(parseSyntax(query)));

test('the text for users reads back to the same tree, on however many lines', () => {
  fc.assert(
    fc.property(fc.oneof(log, metric), (query) => {
      fc.pre(!isLossy(query));
      const expr = parseSyntax(query);
      expect(parseSyntax(formatExpr(expr))).toEqual(expr);
      expect(parseSyntax(canonicalText(expr))).toEqual(expr);
    }),
    { numRuns: 500 },
  );
});

test('a tree survives structured cloning, as it must on its way to workers', () => {
  const expr = parseSyntax('sum by (x) (rate({a="b"} | x>5m and y="z" [1h] offset 5m)) > bool 3');
  expect(structuredClone(expr)).toEqual(expr);
});

// One recording has backticks (`svc-[12].*`), some twenty have double quotes: the rule is what tells them
// apart.
test.each([
  ['x=~"prod"', 'x=~"prod"'],
  ['x=~"a.*|.*b"', 'x=~"a.*|.*b"'],
  ['x=~"(GET|POST)"', 'x=~"(GET|POST)"'],
  ['x=~"(?i)error"', 'x=~"(?i)error"'],
  ['x=~"a\\\\.b"', 'x=~"a\\\\.b"'],
  ['x=~".+"', 'x=~".+"'],
  ['x=~""', 'x=~""'],
  ['x=~"svc-[12].*"', 'x=~`svc-[12].*`'],
  ['x=~"\\\\d+ms"', 'x=~`\\d+ms`'],
  ['x=~"^$" or y="z"', '( x=~`^$` or y="z" )'],
  ['x!~"\\\\d+"', 'x!~"\\\\d+"'],
  ['x=~"[`]"', 'x=~"[`]"'],
])('the filter %s is shown as %s', (filter, text) => {
  expect(canonicalText(parseSyntax(`{a="b"} | ${filter}`))).toBe(`{a="b"} | ${text}`);
});

test('sizes keep their bytes in exact text', () => {
  const expr = parseSyntax('{a="b"} | x>5GiB');
  expect(printExpr(expr)).toBe('{a="b"} | x>5368709120B');
  // The text `0B` cannot be read: it begins a binary number.
  const zero = printExpr(parseSyntax('{a="b"} | x > 0MiB'));
  expect(printExpr(parseSyntax(zero))).toBe(zero);
  expect(canonicalText(expr)).toBe('{a="b"} | x>5.4GB');
});

test('nesting is bounded, by a message and not by the stack', () => {
  const sums = `${'sum('.repeat(3000)}vector(1)${')'.repeat(3000)}`;
  const chain = Array.from({ length: 1500 }, () => 'vector(1)').join('+');
  const filters = `{a="b"} | ${Array.from({ length: 2000 }, () => 'x="1"').join(' or ')}`;
  for (const query of [sums, chain, filters]) {
    expect(messageOf(() => parseExpr(query))).toBe('parse error : expression is nested too deeply (> 1000)');
  }
  // Parentheses leave no trace in the tree, so they may go as deep as there are tokens.
  expect(printExpr(parseSyntax(`${'('.repeat(4_900)}1${')'.repeat(4_900)}`))).toBe('1');
});

/** `a op a op …`, as a balanced tree: nesting does not bound it. */
function balanced(part: string, count: number): string {
  if (count === 1) return part;
  return `(${balanced(part, count >> 1)}+${balanced(part, count - (count >> 1))})`;
}

// Each held the thread that answers everybody for 0.3 to 5 s.
test.each([
  ['1+'.repeat(5_000) + '1', 'input has too many tokens (limit 10000)'],
  [`{a="b"${',c!~"x"'.repeat(15_000)}}`, 'input has too many tokens (limit 10000)'],
  [`{a="b"}${' |= "x"'.repeat(16_000)}`, 'input has too many tokens (limit 10000)'],
  [balanced('rate({a="b"}[1m])', 257), 'too many log selections (257 > 256)'],
  [`{a=~"${'[a-z]'.repeat(24_000)}"}`, 'regular expression of a selector is too long (120000 > 16384)'],
])('a query that is dear to read is refused: %.20s…', (query, message) => {
  expect(messageOf(() => parseExpr(query))).toBe(`parse error : ${message}`);
});

test('a query of many names, of a long line filter, and of many selections, is taken', () => {
  const names = Array.from({ length: 5_000 }, (_, i) => `some-deployment-${i}`).join('|');
  expect(parseExpr(`{pod=~"${names}"}`)).toMatchObject({ matchers: [{ op: '=~', value: names }] });
  expect(parseExpr(`{a="b"} |~ "id-[0-9]|${names}"`)).toMatchObject({ kind: 'log' });
  const labels = Array.from({ length: 2_000 }, (_, i) => `l${i}`);
  expect(parseExpr(`sum by (${labels.join()}) (rate({a="b"}[1m]))`)).toMatchObject({ grouping: { labels } });
  expect(logExprsOf(parseExpr(balanced('rate({a="b"}[1m])', 256)))).toHaveLength(256);
});

test('long queries are refused by their bytes', () => {
  const query = `{a="${'ż'.repeat(queryBytesMax / 2)}"}`;
  expect(messageOf(() => parseSyntax(query))).toBe(
    `parse error : input size too long (${queryBytesMax + 6} > ${queryBytesMax})`,
  );
});

test.each([
  ['{a="b"} |~ "["', `stage '|~ "["' : error parsing regexp: missing closing ]: \`[\``],
  ['{a="b"} |~ ip("10.0.0.1")', `stage '|~ ip("10.0.0.1")' : ip: invalid operation`],
  ['{a="b"} |> "<x> y"', `stage '|> "<x> y"' : named captures are not allowed: found '<x>'`],
  ['{a="b"} |> "<_><_>"', `stage '|> "<_><_>"' : found consecutive capture '<_><_>': invalid expression`],
  ['{a="b"} | label_format x=y,x=z', `stage '| label_format x=y,x=z' : multiple label name 'x' not allowed in a single format operation`],
  ['{a="b"} | label_format __error__=x', `stage '| label_format __error__=x' : __error__ cannot be formatted`],
  ['{a="b"} | x > 0x1F', 'unable to parse literal as a float: strconv.ParseFloat: parsing "0x1F": invalid syntax'],
  ['sort(rate({a="b"}[1m])) by (x)', "sort and sort_desc doesn't allow grouping by "],
  ['{a="b"} |= "x" + 1', 'unexpected type for left leg of binary operation (+): *syntax.PipelineExpr'],
  ['sum(rate({a="b"}[1m])) and 2', 'unexpected literal for right leg of logical/set binary operation (and): 2.000000'],
])('%s may not run', (query, message) => {
  expect(messageOf(() => parseExpr(query))).toBe(`parse error : ${message}`);
}); // prettier-ignore

test.each([
  [`{a='b'}`, 'col 4: syntax error: unexpected IDENTIFIER, expecting STRING'],
  [`{a='bc'}`, 'col 4: invalid char literal'],
  [`{a='bc}`, 'col 4: literal not terminated'],
])('single quotes are no strings: %s', (query, message) => {
  expect(messageOf(() => parseSyntax(query))).toBe(`parse error at line 1, ${message}`);
});

test.each(['rate({a="b"}[1m])', '{a="b"} |= "x"', '1'])('%s is no bare selector', (query) => {
  expect(messageOf(() => parseMatchers(query))).toBe('only label matchers are supported');
});
