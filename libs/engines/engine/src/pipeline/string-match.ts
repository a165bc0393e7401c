import { compileMatcher } from '@loki/logql';
import type { Matcher, StringMatcher } from '@loki/logql';
import { BoundedMap } from '@loki/model';

/** Distinct values whose answer a regular expression remembers; labels repeat much. */
const answersMax = 8192;

/** A matcher for rows: their labels repeat, so a regular expression runs once for each distinct value. */
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
  return { name: compiled.name, matches };
}
