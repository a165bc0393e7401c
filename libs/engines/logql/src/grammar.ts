/**
 * The grammar of LogQL: a new stage, function or operator begins here. One file, because its rules name each
 * other.
 */
import type {
  BinaryOp,
  CompareOp,
  Expr,
  Extraction,
  Grouping,
  LabelFilter,
  LabelFormat,
  LineFilterOp,
  LineFilterOperand,
  LineFilterStageSpec,
  LogExpr,
  MatchOp,
  Matcher,
  MetricExpr,
  RangeOp,
  Stage,
  Unwrap,
  UnwrapConversion,
  VectorOp,
} from './ast.ts';
import type { GrammarSpec, RuleSpec } from './grammar-spec.ts';
import {
  andFilter,
  binary,
  bytesFilter,
  combine,
  durationFilter,
  ipFilter,
  labelReplace,
  literal,
  logRange,
  matcher,
  mergePipeline,
  patternStage,
  regexpStage,
  numberFilter,
  orFilter,
  rangeAggregation,
  stringFilter,
  unwrapFilter,
  vectorAggregation,
} from './nodes.ts';
import type { LogRange, Modifier } from './nodes.ts';
import { operatorLevels, rangeFunctions, terminals, vectorFunctions } from './tokens.ts';

type Action = (...parts: never[]) => unknown;

interface Rule extends RuleSpec {
  readonly action: Action;
}

const rules: Rule[] = [];

/**
 * Adds alternatives of `head`. Each has its symbols and an action that builds the node from the parts; the
 * default action returns the first part.
 */
function rule(head: string, ...alternatives: (string | [string, Action])[]): void {
  for (const alternative of alternatives) {
    const [body, action] = typeof alternative === 'string' ? [alternative, first as Action] : alternative;
    rules.push({ head, body: body.split(' ').filter((symbol) => symbol !== ''), action });
  }
}

const first = (part: unknown) => part;
const second = (_: unknown, part: unknown) => part;
const single = <T>(item: T): T[] => [item];
/** Appends in place: no other part of the tree refers to the list yet. */
const append = <T>(list: T[], _comma: unknown, item: T): T[] => {
  list.push(item);
  return list;
};
const listOf = (item: string, separator: string): [string, Action][] => [
  [item, single],
  [`${item}s ${separator} ${item}`, append],
];

// A query: a log expression or a metric expression.
rule('query', 'expr');
rule('expr', 'logExpr', 'metricExpr');

rule(
  'logExpr',
  ['selector', (matchers: Matcher[]): LogExpr => ({ kind: 'log', matchers, stages: [] })],
  [
    'selector pipeline',
    (matchers: Matcher[], stages: Stage[]): LogExpr => ({ kind: 'log', matchers, stages }),
  ],
  ['( logExpr )', second],
);

rule('selector', ['{ matchers }', second], ['{ }', () => []]);
rule('matchers', ...listOf('matcher', ','));
for (const op of ['=', '!=', '=~', '!~'] satisfies MatchOp[]) {
  rule('matcher', [
    `IDENTIFIER ${op} STRING`,
    (name: string, _: unknown, value: string) => matcher(name, op, value),
  ]);
}

rule('pipeline', ['stage', (stage: Stage) => mergePipeline([], stage)], ['pipeline stage', mergePipeline]);
rule('stage', 'lineFilter', ['| namedStage', second], ['| labelFilter', (_: unknown, filter: LabelFilter): Stage => ({ kind: 'labelFilter', filter })]); // prettier-ignore

// Line filters.
rule('lineFilterOp', '|=', '!=', '|~', '!~', '|>', '!>');
rule(
  'lineOperand',
  ['STRING', (text: string): LineFilterOperand => ({ text, ip: false })],
  ['ip ( STRING )', (_i: unknown, _o: unknown, text: string): LineFilterOperand => ({ text, ip: true })],
);
rule(
  'lineFilter',
  [
    'lineFilterOp lineOperand',
    (op: LineFilterOp, operand: LineFilterOperand): LineFilterStageSpec => ({
      kind: 'lineFilter',
      op,
      operands: [operand],
    }),
  ],
  [
    'lineFilter or lineOperand',
    (stage: LineFilterStageSpec, _: unknown, operand: LineFilterOperand): LineFilterStageSpec => ({
      ...stage,
      operands: [...stage.operands, operand],
    }),
  ],
);

// Stages with a name.
rule(
  'namedStage',
  ['json', (): Stage => ({ kind: 'json', extractions: [] })],
  ['json extractions', (_: unknown, extractions: Extraction[]): Stage => ({ kind: 'json', extractions })],
  ['logfmt', () => logfmt([], [])],
  ['logfmt flags', (_: unknown, flags: string[]) => logfmt(flags, [])],
  ['logfmt extractions', (_: unknown, extractions: Extraction[]) => logfmt([], extractions)],
  [
    'logfmt flags extractions',
    (_: unknown, flags: string[], extractions: Extraction[]) => logfmt(flags, extractions),
  ],
  ['regexp STRING', (_: unknown, pattern: string) => regexpStage(pattern)],
  ['pattern STRING', (_: unknown, pattern: string) => patternStage(pattern)],
  ['unpack', (): Stage => ({ kind: 'unpack' })],
  ['decolorize', (): Stage => ({ kind: 'decolorize' })],
  ['line_format STRING', (_: unknown, template: string): Stage => ({ kind: 'lineFormat', template })],
  ['label_format formats', (_: unknown, formats: LabelFormat[]): Stage => ({ kind: 'labelFormat', formats })],
  ['drop targets', (_: unknown, targets: (string | Matcher)[]): Stage => ({ kind: 'drop', targets })],
  ['keep targets', (_: unknown, targets: (string | Matcher)[]): Stage => ({ kind: 'keep', targets })],
);
rule(
  'flags',
  ['FUNCTION_FLAG', single],
  ['flags FUNCTION_FLAG', (list: string[], flag: string) => [...list, flag]],
);
rule('extractions', ...listOf('extraction', ','));
rule(
  'extraction',
  [
    'IDENTIFIER = STRING',
    (label: string, _: unknown, expression: string): Extraction => ({ label, expression }),
  ],
  ['IDENTIFIER', (label: string): Extraction => ({ label, expression: label })],
);
rule('formats', ...listOf('format', ','));
rule(
  'format',
  [
    'IDENTIFIER = IDENTIFIER',
    (label: string, _: unknown, rename: string): LabelFormat => ({ label, rename }),
  ],
  [
    'IDENTIFIER = STRING',
    (label: string, _: unknown, template: string): LabelFormat => ({ label, template }),
  ],
);
rule('targets', ...listOf('target', ','));
rule('target', 'IDENTIFIER', 'matcher');

// Label filters. The comma and juxtaposition have no precedence: they extend to everything that follows.
rule(
  'labelFilter',
  ['matcher', stringFilter],
  ...(['=', '!='] as const).map((op): [string, Action] => [
    `IDENTIFIER ${op} ip ( STRING )`,
    (name: string, _1: unknown, _2: unknown, _3: unknown, pattern: string) => ipFilter(name, op, pattern),
  ]),
  ...compareRules('number', numberFilter),
  ...compareRules('DURATION', durationFilter),
  ...compareRules('BYTES', bytesFilter),
  ['( labelFilter )', second],
  ['labelFilter labelFilter', (left: LabelFilter, right: LabelFilter) => andFilter(left, right)],
  ['labelFilter and labelFilter', (l: LabelFilter, _: unknown, r: LabelFilter) => andFilter(l, r)],
  ['labelFilter , labelFilter', (l: LabelFilter, _: unknown, r: LabelFilter) => andFilter(l, r)],
  ['labelFilter or labelFilter', (l: LabelFilter, _: unknown, r: LabelFilter) => orFilter(l, r)],
);

function compareRules<T>(
  type: string,
  build: (name: string, op: CompareOp, value: T) => LabelFilter,
): [string, Action][] {
  return (['=', '==', '!=', '>', '>=', '<', '<='] as const).map((sign) => [
    `IDENTIFIER ${sign} ${type}`,
    (name: string, _: unknown, value: T) => build(name, sign === '=' ? '==' : sign, value),
  ]);
}

rule(
  'number',
  ['NUMBER', (text: string) => literal(text, 1)],
  ['+ NUMBER', (_: unknown, text: string) => literal(text, 1)],
  ['- NUMBER', (_: unknown, text: string) => literal(text, -1)],
);

// Metric expressions.
rule(
  'metricExpr',
  'rangeAgg',
  'vectorAgg',
  'binary',
  ['number', (value: number): MetricExpr => ({ kind: 'literal', value })],
  [
    'LABEL_REPLACE ( metricExpr , STRING , STRING , STRING , STRING )',
    (_1: unknown, _2: unknown, expr: MetricExpr, _3: unknown, destination: string, _4: unknown, replacement: string, _5: unknown, source: string, _6: unknown, pattern: string) =>
      labelReplace(expr, { destination, replacement, source, pattern }),
  ], // prettier-ignore
  ['VECTOR ( NUMBER )', (_1: unknown, _2: unknown, text: string): MetricExpr => ({ kind: 'vector', value: literal(text, 1) })],
  ['( metricExpr )', second],
); // prettier-ignore

rule('rangeOp', ...rangeFunctions.map((name): [string, Action] => [name.toUpperCase(), () => name]));
rule(
  'rangeAgg',
  [
    'rangeOp ( logRange )',
    (op: RangeOp, _: unknown, range: LogRange) => rangeAggregation(op, undefined, range, undefined),
  ],
  [
    'rangeOp ( NUMBER , logRange )',
    (op: RangeOp, _1: unknown, parameter: string, _2: unknown, range: LogRange) =>
      rangeAggregation(op, parameter, range, undefined),
  ],
  [
    'rangeOp ( logRange ) grouping',
    (op: RangeOp, _1: unknown, range: LogRange, _2: unknown, grouping: Grouping) =>
      rangeAggregation(op, undefined, range, grouping),
  ],
  [
    'rangeOp ( NUMBER , logRange ) grouping',
    (op: RangeOp, _1: unknown, parameter: string, _2: unknown, range: LogRange, _3: unknown, grouping: Grouping) =>
      rangeAggregation(op, parameter, range, grouping),
  ], // prettier-ignore
);

// The range may stand before or after the pipeline, and the part before it may be in parentheses.
rule('rangeOffset', ['RANGE', (rangeNs: bigint) => ({ rangeNs, offsetNs: 0n })], ['RANGE offset DURATION', (rangeNs: bigint, _: unknown, offsetNs: bigint) => ({ rangeNs, offsetNs })]); // prettier-ignore
type Span = Pick<LogRange, 'rangeNs' | 'offsetNs'>;
for (const [body, build] of [
  ['', () => logRange([], undefined)],
  ['pipeline', (stages: Stage[]) => logRange(stages, undefined)],
  ['unwrapped', (unwrap: Unwrap) => logRange([], unwrap)],
  ['pipeline unwrapped', (stages: Stage[], unwrap: Unwrap) => logRange(stages, unwrap)],
] as [string, (...parts: unknown[]) => (matchers: Matcher[], span: Span) => LogRange][]) {
  const count = body === '' ? 0 : body.split(' ').length;
  rule(
    'logRange',
    [
      `selector ${body} rangeOffset`,
      ((matchers: Matcher[], ...parts: unknown[]) =>
        build(...parts)(matchers, parts[count] as Span)) as Action,
    ],
    [
      `( selector ${body} ) rangeOffset`,
      ((_: unknown, matchers: Matcher[], ...parts: unknown[]) =>
        build(...parts)(matchers, parts[count + 1] as Span)) as Action,
    ],
  );
  if (count === 0) continue;
  rule('logRange', [
    `selector rangeOffset ${body}`,
    ((matchers: Matcher[], span: Span, ...parts: unknown[]) => build(...parts)(matchers, span)) as Action,
  ]);
}
rule('logRange', ['( logRange )', second]);

rule(
  'unwrapped',
  ['| unwrap IDENTIFIER', (_1: unknown, _2: unknown, label: string): Unwrap => ({ label, conversion: '', filters: [] })],
  [
    '| unwrap conversion ( IDENTIFIER )',
    (_1: unknown, _2: unknown, conversion: UnwrapConversion, _3: unknown, label: string): Unwrap => ({ label, conversion, filters: [] }),
  ],
  ['unwrapped | labelFilter', (unwrap: Unwrap, _: unknown, filter: LabelFilter) => unwrapFilter(unwrap, filter)],
); // prettier-ignore
rule('conversion', 'BYTES_CONV', 'DURATION_CONV', 'DURATION_SECONDS_CONV');

rule('vectorOp', ...vectorFunctions.map((name): [string, Action] => [name.toUpperCase(), () => name]));
const aggregate =
  (opAt: number, parameterAt: number, exprAt: number, groupingAt: number): Action =>
  (...parts: unknown[]) =>
    vectorAggregation(parts[opAt] as VectorOp, parts[parameterAt] as string | undefined, parts[exprAt] as MetricExpr, parts[groupingAt] as Grouping | undefined); // prettier-ignore
const absent = 99;
rule(
  'vectorAgg',
  ['vectorOp ( metricExpr )', aggregate(0, absent, 2, absent)],
  ['vectorOp grouping ( metricExpr )', aggregate(0, absent, 3, 1)],
  ['vectorOp ( metricExpr ) grouping', aggregate(0, absent, 2, 4)],
  ['vectorOp ( NUMBER , metricExpr )', aggregate(0, 2, 4, absent)],
  ['vectorOp ( NUMBER , metricExpr ) grouping', aggregate(0, 2, 4, 6)],
  ['vectorOp grouping ( NUMBER , metricExpr )', aggregate(0, 3, 5, 1)],
);

rule('labels', ['IDENTIFIER', single], ['labels , IDENTIFIER', append]);
rule(
  'grouping',
  ...(['by', 'without'] as const).flatMap((word): [string, Action][] => [
    [`${word} ( labels )`, (_1: unknown, _2: unknown, labels: string[]): Grouping => ({ without: word === 'without', labels })],
    [`${word} ( )`, (): Grouping => ({ without: word === 'without', labels: [] })],
  ]),
); // prettier-ignore

// Binary operations.
for (const op of operatorLevels.flatMap((level) => level.operators as readonly BinaryOp[])) {
  rule('binary', [
    `expr ${op} modifier expr`,
    (left: Expr, _: unknown, modifier: Modifier, right: Expr) => binary(op, modifier, left, right),
  ]);
}
rule('boolModifier', ['', (): Modifier => combine(false)], ['bool', (): Modifier => combine(true)]);
rule(
  'matching',
  ...(['on', 'ignoring'] as const).flatMap((word): [string, Action][] => [
    [`boolModifier ${word} ( labels )`, (modifier: Modifier, _1: unknown, _2: unknown, labels: string[]) => ({ ...modifier, on: word === 'on', labels })],
    [`boolModifier ${word} ( )`, (modifier: Modifier) => ({ ...modifier, on: word === 'on', labels: [] })],
  ]),
); // prettier-ignore
rule(
  'modifier',
  'boolModifier',
  'matching',
  ...([['group_left', 'many-to-one'], ['group_right', 'one-to-many']] as const).flatMap(([word, card]): [string, Action][] => [
    [`matching ${word}`, (modifier: Modifier) => ({ ...modifier, card })],
    [`matching ${word} ( )`, (modifier: Modifier) => ({ ...modifier, card })],
    [`matching ${word} ( labels )`, (modifier: Modifier, _1: unknown, _2: unknown, include: string[]) => ({ ...modifier, card, include })],
  ]),
); // prettier-ignore

function logfmt(flags: readonly string[], extractions: readonly Extraction[]): Stage {
  const [strict, keepEmpty] = [flags.includes('--strict'), flags.includes('--keep-empty')];
  return { kind: 'logfmt', strict, keepEmpty, extractions };
}

/** The rules of LogQL, with the node that each makes of its parts. */
export const grammar: GrammarSpec & { readonly rules: readonly Rule[] } = {
  terminals,
  rules,
  levels: operatorLevels,
};
