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

/** Texts of rules that lists have shown: a list may have thousands, and each text is parsed for it. */
const shownExprs = new WeakMap<object, string>();

/** The same for a rule, which never changes: its text is made once. */
export function shownExprOf(rule: { readonly expr: string }): string {
  let text = shownExprs.get(rule);
  if (text === undefined) shownExprs.set(rule, (text = shownExpr(rule.expr)));
  return text;
}
