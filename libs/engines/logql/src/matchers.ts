/** Compiles label matchers: step *select* of a query, policies and deletes. */
import { BoundedMap } from '@loki/model';
import { compileRegex, plainAlternatives } from '@loki/regex';
import type { Regex } from '@loki/regex';
import type { Matcher } from './ast.ts';

/** `name op "value"` as a compiled test. A missing label counts as empty. */
export interface StringMatcher {
  readonly name: string;
  readonly matches: (value: string) => boolean;
  /** Instructions of its regular expression; 0: it has none. */
  readonly size: number;
  /**
   * Present when a list of values decides: the matcher accepts exactly these values, or all others when
   * negated.
   */
  readonly listed?: { readonly values: ReadonlySet<string>; readonly isNegated: boolean };
}

/** Compiles a matcher. Regular expressions are anchored at both ends, and their dot matches newlines. */
export function compileMatcher({ name, op, value }: Matcher): StringMatcher {
  const isNegated = op === '!=' || op === '!~';
  const isRegex = op === '=~' || op === '!~';
  const values = isRegex ? plainAlternatives(value) : new Set([value]);
  if (values) {
    const [only] = values;
    // Parsed labels are new strings: a comparison costs less than computing a hash.
    const isListed = values.size === 1 ? (text: string) => text === only : (text: string) => values.has(text);
    return { name, matches: (text) => isListed(text) !== isNegated, size: 0, listed: { values, isNegated } };
  }
  const regex = regexOf(value);
  return { name, matches: (text) => regex.test(text) !== isNegated, size: regex.size };
}

/**
 * Patterns of the latest matchers: a query's matchers are compiled where it is checked, and for each
 * partition.
 */
const regexes = new BoundedMap<string, Regex>(1_024, {
  weightMax: 65_536,
  weightOf: (_, { size }) => size,
});

function regexOf(pattern: string): Regex {
  let regex = regexes.get(pattern);
  if (!regex) {
    regex = compileRegex(pattern, { anchored: true, dotAll: true });
    regexes.set(pattern, regex);
  }
  return regex;
}

/** Labels by name: `Labels` or a map. */
interface LabelLookup {
  get(name: string): string | undefined;
}

/** Returns a predicate that is true for labels that every matcher accepts. */
export function compileMatchers(matchers: readonly Matcher[]): (labels: LabelLookup) => boolean {
  const compiled = matchers.map(compileMatcher);
  return (labels) => matchesLabels(compiled, labels);
}

/** True when every matcher accepts its label, where a missing label counts as empty. */
export function matchesLabels(matchers: readonly StringMatcher[], labels: LabelLookup): boolean {
  return matchers.every(({ name, matches }) => matches(labels.get(name) ?? ''));
}
