/** Queries, selectors, label texts, patterns, paths and addresses; what is read is printed and read again. */
import { readFileSync } from 'node:fs';
import { refusalOf } from '@loki/test-tools';
import type { FuzzTarget } from '@loki/test-tools';
import type { Expr, Grouping } from './ast.ts';
import { parseExpr, parseSelection } from './check.ts';
import { QueryPartError } from './errors.ts';
import { ipMatches, parseIp, parseIpMatcher } from './ip.ts';
import { parseJsonPath, parseLogfmtKey } from './json-path.ts';
import { parseLabels } from './labels-text.ts';
import { parseMatchers, parseSyntax } from './parser.ts';
import { parseLinePattern, parsePattern } from './pattern.ts';
import { formatExpr } from './pretty.ts';
import { canonicalText, printExpr, printSelector } from './print.ts';

const isRefusal = refusalOf('badRequest');

function isPartRefusal(error: unknown): boolean {
  return error instanceof QueryPartError;
}

function queriesOf(name: string): string[] {
  const text = readFileSync(new URL(`testdata/${name}.jsonl`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { query: string }).query);
}

const words = ['sum', 'by', 'without', 'on', 'ignoring', 'group_left', 'rate', 'count_over_time', 'quantile_over_time', 'topk', 'offset', '[5m]', 'unwrap', 'duration(', 'bytes(', '| json', '| logfmt', '| regexp', '| pattern', '| unpack', '| line_format', '| label_format', '| drop', '| keep', '| decolorize', '!~', '=~', '|=', '!=', '|>', '!>', 'ip(', 'or', 'and', 'unless', 'bool', 'label_replace(', 'vector(', 'sort', '@', '# c\n', '{a="b"}', '`', '--strict', '--keep-empty', 'variants', 'of', '0x1F', '1e309', 'Inf', 'NaN']; // prettier-ignore

function equalTrees(a: unknown, b: unknown): boolean {
  return textOf(a) === textOf(b);
}

function textOf(tree: unknown): string {
  return JSON.stringify(tree, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) return String(value);
    return isVectorAggregation(value) && isOfAll(value.grouping) ? { ...value, grouping: undefined } : value;
  });
}

function isVectorAggregation(value: unknown): value is Expr & { kind: 'vectorAgg' } {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'vectorAgg';
}

/** `by ()` and no grouping are one thing to an aggregation of vectors. */
function isOfAll(grouping: Grouping | undefined): boolean {
  return grouping !== undefined && !grouping.without && grouping.labels.length === 0;
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'logql',
    shape: 'text',
    corpus: () => [...queriesOf('format-cases'), ...queriesOf('error-cases')],
    words,
    isRefusal,
    run: (input) => parseExpr(input.toString()).kind,
  },
  {
    name: 'logql-printed',
    shape: 'text',
    corpus: () => queriesOf('format-cases'),
    words,
    isRefusal,
    // A leaf travels as text: printed and read again it has to be the same tree.
    run: (input) => {
      const expr = parseSyntax(input.toString());
      const text = printExpr(expr);
      let again: ReturnType<typeof parseSyntax>;
      try {
        again = parseSyntax(text);
      } catch (cause) {
        throw new TypeError('what was printed cannot be read', { cause });
      }
      if (printExpr(again) !== text) throw new TypeError('printed twice, a query differs');
      if (!equalTrees(expr, again)) throw new TypeError('printed and read, a query differs');
      // These are for people, and round sizes.
      canonicalText(expr);
      formatExpr(expr);
      return expr.kind;
    },
  },
  {
    name: 'logql-selection',
    shape: 'text',
    corpus: () => ['{app="x"} |= "y"', '{}', '{app=~".*"} | json | a > 5'],
    words,
    isRefusal,
    run: (input) => parseSelection(input.toString()).stages.length,
  },
  {
    name: 'logql-matchers',
    shape: 'text',
    corpus: () => ['{app="a", env!~"b|c", x=~`y`, "quoted.name"!="z"}', '{a="\\u00e9"}'],
    words,
    isRefusal,
    run: (input) => {
      const matchers = parseMatchers(input.toString());
      const text = printSelector(matchers);
      if (!equalTrees(parseMatchers(text), matchers)) throw new TypeError('printed, a selector differs');
      return matchers.length;
    },
  },
  {
    name: 'label-text',
    shape: 'text',
    corpus: () => ['{app="a", pod="b\\n\\"c\\""}', '{}', '{a="żółw",b=""}', '{ a = "b" , }'],
    words: ['="', '\\x', '\\u', ',', '{', '}', '\\'],
    isRefusal,
    run: (input) => parseLabels(input.toString()).length,
  },
  {
    name: 'patterns',
    shape: 'text',
    corpus: () => ['<ip> - <_> [<ts>] "<method> <path>" <status>', '<a><b>', '<_>', 'plain'],
    words: ['<', '>', '<_>', '<a>', '<<', '>>', '\\<'],
    isRefusal: isPartRefusal,
    run: (input) => {
      const text = input.toString();
      parseLinePattern(text);
      return parsePattern(text).length;
    },
  },
  {
    name: 'json-paths',
    shape: 'text',
    corpus: () => ['a.b[0]["c d"].e', '["a\\"b"]', 'a[00]', 'x'],
    words: ['[', ']', '"', '.', '\\', '[0]', '["'],
    isRefusal: isPartRefusal,
    run: (input) => {
      const text = input.toString();
      const path = parseJsonPath(text);
      parseLogfmtKey(text);
      if (path.some((step) => typeof step === 'number' && !(step >= 0))) {
        throw new TypeError('a step is no place');
      }
      return path.length;
    },
  },
  {
    name: 'ip-matchers',
    shape: 'text',
    corpus: () => [
      '10.0.0.1',
      '10.0.0.0/8',
      '10.0.0.1-10.0.0.9',
      '::1',
      'fe80::/10',
      '::ffff:1.2.3.4',
      '2001:db8::1-2001:db8::ff',
    ],
    words: ['::', '/', '-', '.', '0', '255', '256', 'ffff', '%eth0'],
    isRefusal: isPartRefusal,
    run: (input) => {
      const text = input.toString();
      const matcher = parseIpMatcher(text);
      if (matcher.low > matcher.high || matcher.low < 0n) throw new TypeError('an empty range');
      const address = parseIp(text);
      if (address && !ipMatches(matcher, address)) throw new TypeError('an address is not in its own range');
      return matcher.version;
    },
  },
];
