import { canonicalText, parseExpr } from '@loki/logql';
import { LokiError } from '@loki/model';

/**
 * A rule's expression as Loki shows it: parsed, and written in its own form. One that a rule file has wrong
 * stays as it is.
 */
export function shownExpr(expr: string): string {
  try {
    return canonicalText(parseExpr(expr));
  } catch (error) {
    if (!(error instanceof LokiError)) throw error;
    return expr;
  }
}
