/**
 * Terminals of the grammar, with the names that error texts show. Error texts list expected terminals in this
 * order.
 */
const signs = [
  '=', '=~', '!~', '!=', '{', '}', '[', ']', ',', '.', '|~', '|=', '|>', '!>', '|', '(', ')',
] as const; // prettier-ignore

/** Words that are always keywords, regardless of the next token. Case does not matter. */
const keywords = [
  'by', 'without', 'json', 'regexp', 'logfmt', 'line_format', 'label_format', 'unwrap', 'offset', 'on', 'ignoring',
  'group_left', 'group_right', 'decolorize', 'drop', 'keep', 'pattern', 'unpack', 'bool',
] as const; // prettier-ignore

export const rangeFunctions = [
  'count_over_time', 'rate', 'rate_counter', 'sum_over_time', 'avg_over_time', 'max_over_time', 'min_over_time',
  'first_over_time', 'last_over_time', 'stdvar_over_time', 'stddev_over_time', 'quantile_over_time',
  'bytes_over_time', 'bytes_rate', 'absent_over_time',
] as const; // prettier-ignore

export const vectorFunctions = [
  'sum', 'avg', 'max', 'min', 'count', 'stddev', 'stdvar', 'bottomk', 'topk', 'approx_topk', 'sort', 'sort_desc',
] as const; // prettier-ignore

/** Operators by precedence, lowest first; the sign or word is also the token's name. */
export const operatorLevels = [
  { associativity: 'left', operators: ['or'] },
  { associativity: 'left', operators: ['and', 'unless'] },
  { associativity: 'left', operators: ['==', '!=', '>', '>=', '<', '<='] },
  { associativity: 'left', operators: ['+', '-'] },
  { associativity: 'left', operators: ['*', '/', '%'] },
  { associativity: 'right', operators: ['^'] },
] as const;

const operators = operatorLevels.flatMap((level) => level.operators as readonly string[]);

/** Words that are functions when `(` follows, and identifiers otherwise; with the names of their tokens. */
export const functionTokens: ReadonlyMap<string, string> = new Map([
  ...[...rangeFunctions, ...vectorFunctions].map((name) => [name, name.toUpperCase()] as const),
  ['label_replace', 'LABEL_REPLACE'],
  ['vector', 'VECTOR'],
  ['ip', 'ip'],
  ['bytes', 'BYTES_CONV'],
  ['duration', 'DURATION_CONV'],
  ['duration_seconds', 'DURATION_SECONDS_CONV'],
]);

export const terminals: readonly string[] = [
  '$end', 'BYTES', 'IDENTIFIER', 'STRING', 'NUMBER', 'FUNCTION_FLAG', 'DURATION', 'RANGE',
  ...signs,
  ...keywords,
  ...functionTokens.values(),
  ...operators.filter((operator) => operator !== '!='),
]; // prettier-ignore

/** Words and signs that are tokens by themselves. */
export const fixedTokens: ReadonlySet<string> = new Set([...signs, ...keywords, ...operators]);

export const flags = ['--strict', '--keep-empty'] as const;
