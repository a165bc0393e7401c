/** Protects all queries of a tenant: a mistake in a limit is found when it is read, not by each of them. */
import { limitSyntaxChecks } from './limit-syntax-checks.ts';

test.each([
  ['{app="a", env=~"x|y"}', undefined],
  ['{}', undefined],
  ['{keep="a"}', 'unexpected keep'],
  ['{a=~"("}', 'missing closing )'],
  ['{app="a"} |= "x"', 'only label matchers are supported'],
  ['rate({app="a"}[1m])', 'only log queries'],
  ['', 'unexpected $end'],
])('the selector %j: %s', (text, mistake) => {
  if (mistake === undefined) expect(() => limitSyntaxChecks.selector(text)).not.toThrow();
  else expect(() => limitSyntaxChecks.selector(text)).toThrow(mistake);
});

test('patterns are those of the query language', () => {
  expect(() => limitSyntaxChecks.pattern('.*rate.*')).not.toThrow();
  expect(() => limitSyntaxChecks.pattern('(')).toThrow('missing closing )');
});
