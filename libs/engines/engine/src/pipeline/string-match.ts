import type { Matcher } from '@loki/logql';
import { compileRegex } from '@loki/regex';

/** Distinct values whose answer a regular expression remembers; labels repeat much. */
const answersMax = 4096;

/** `name op "value"` ready to use. A label that is missing counts as empty. */
export interface StringMatcher {
  readonly name: string;
  readonly matches: (value: string) => boolean;
  /** Set for `=` and `!=`. */
  readonly literal?: { readonly value: string; readonly isNegated: boolean };
}

/** Regular expressions are anchored at both ends. */
export function compileMatcher(matcher: Matcher): StringMatcher {
  const { name, op, value } = matcher;
  if (op === '=') {
    return { name, matches: (text) => text === value, literal: { value, isNegated: false } };
  }
  if (op === '!=') return { name, matches: (text) => text !== value, literal: { value, isNegated: true } };
  const regex = compileRegex(value, { anchored: true, dotAll: true });
  const isPositive = op === '=~';
  const answers = new Map<string, boolean>();
  const matches = (text: string) => {
    let answer = answers.get(text);
    if (answer === undefined) {
      if (answers.size >= answersMax) answers.clear();
      answer = regex.test(text) === isPositive;
      answers.set(text, answer);
    }
    return answer;
  };
  return { name, matches };
}
