import type { Expr } from './ast.ts';
import { parseSyntax } from './parser.ts';

/** Reads a query that is to be run. */
export function parseExpr(query: string): Expr {
  return parseSyntax(query);
}
