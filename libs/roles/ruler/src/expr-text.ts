/** The text of a rule's expression in the ruler's APIs. */
import { canonicalText, parseExpr } from '@loki/logql';
import { LokiError } from '@loki/model';

/** A rule's expression in Loki's canonical form; an invalid one (from a rule file) unchanged. */
export function shownExpr(expr: string): string {
  try {
    return canonicalText(parseExpr(expr));
  } catch (error) {
    if (!(error instanceof LokiError)) throw error;
    return expr;
  }
}
