import { compileRegex } from '@loki/regex';
import type { Matcher } from './ast.ts';

/** `name op "value"` ready to use. A missing label counts as empty. */
export interface StringMatcher {
  readonly name: string;
  readonly matches: (value: string) => boolean;
  /** Set for `=` and `!=`. */
  readonly literal?: { readonly value: string; readonly isNegated: boolean };
}

/** Regular expressions are anchored at both ends, and their dot takes newlines. */
export function compileMatcher({ name, op, value }: Matcher): StringMatcher {
  if (op === '=') {
    return { name, matches: (text) => text === value, literal: { value, isNegated: false } };
  }
  if (op === '!=') return { name, matches: (text) => text !== value, literal: { value, isNegated: true } };
  const regex = compileRegex(value, { anchored: true, dotAll: true });
  const isPositive = op === '=~';
  return { name, matches: (text) => regex.test(text) === isPositive };
}

/** Labels by name: `Labels`, a map. */
interface LabelLookup {
  get(name: string): string | undefined;
}

/** True for labels that every matcher accepts. */
export function compileMatchers(matchers: readonly Matcher[]): (labels: LabelLookup) => boolean {
  const compiled = matchers.map(compileMatcher);
  return (labels) => matchesLabels(compiled, labels);
}

/** True when every matcher accepts its label, or an empty value where it is missing. */
export function matchesLabels(matchers: readonly StringMatcher[], labels: LabelLookup): boolean {
  return matchers.every(({ name, matches }) => matches(labels.get(name) ?? ''));
}
