/** Label matchers with a cache of answers, for rows of a scan. */
import { compileMatcher } from '@loki/logql';
import type { Matcher, StringMatcher } from '@loki/logql';
import { BoundedMap } from '@loki/model';

/** Most cached answers of a regular expression; label values repeat often. */
const answersMax = 8192;

/**
 * Compiles a matcher for rows: label values repeat, so a regular expression runs once for each distinct
 * value.
 */
export function compileCachedMatcher(matcher: Matcher): StringMatcher {
  const compiled = compileMatcher(matcher);
  if (compiled.listed) return compiled;
  const answers = new BoundedMap<string, boolean>(answersMax);
  const matches = (text: string) => {
    let answer = answers.get(text);
    if (answer === undefined) {
      answer = compiled.matches(text);
      answers.set(text, answer);
    }
    return answer;
  };
  return { ...compiled, matches };
}
