export type * from './ast.ts';
export { parseExpr } from './check.ts';
export { isMetric, logExprOf, logExprsOf, parseMatchers, parseSyntax, queryBytesMax } from './parser.ts';
export { formatExpr } from './pretty.ts';
export { canonicalText, printExpr, printSelector } from './print.ts';
