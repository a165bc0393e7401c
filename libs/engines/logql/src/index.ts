/** LogQL: parser, printer and tree of queries, label texts and matchers. */
export type * from './ast.ts';
export { parseExpr, parseSelection, readQueryText } from './check.ts';
export { QueryPartError } from './errors.ts';
export { fold } from './fold.ts';
export type { GrammarSpec, ParserState, RuleSpec, StoredState } from './grammar-spec.ts';
export { grammar } from './grammar.ts';
export { ipMatches, parseIp, parseIpMatcher } from './ip.ts';
export type { IpMatcher } from './ip.ts';
export { parseJsonPath, parseLogfmtKey } from './json-path.ts';
export { parseLabels } from './labels-text.ts';
export { compileMatcher, compileMatchers, matchesLabels } from './matchers.ts';
export type { StringMatcher } from './matchers.ts';
export {
  checkSelectors,
  isMetric,
  logExprOf,
  logExprsOf,
  parseLeafText,
  parseMatchers,
  parseSelectionSyntax,
  parseSyntax,
  queryBytesMax,
  rangeAggregationOf,
  selectionsMax,
} from './parser.ts';
export { rememberParsed } from './parsed-texts.ts';
export type { ParsedText } from './parsed-texts.ts';
export { parseLinePattern, parsePattern } from './pattern.ts';
export { formatExpr } from './pretty.ts';
export { canonicalText, printExpr, printLeaf, printSelector } from './print.ts';
export { stageTraits } from './stage-traits.ts';
