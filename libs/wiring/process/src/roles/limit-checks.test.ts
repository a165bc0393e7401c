import { limitChecks } from './limit-checks.ts';

// Protects all queries of a tenant: a mistake in a limit is found when it is read, not by each of them.

test.each([
  ['{app="a", env=~"x|y"}', undefined],
  ['{}', undefined],
  ['{keep="a"}', 'unexpected keep'],
  ['{a=~"("}', 'missing closing )'],
  ['{app="a"} |= "x"', 'only label matchers are supported'],
  ['rate({app="a"}[1m])', 'only log queries'],
  ['', 'unexpected $end'],
])('the selector %j: %s', (text, mistake) => {
  if (mistake === undefined) expect(() => limitChecks.selector(text)).not.toThrow();
  else expect(() => limitChecks.selector(text)).toThrow(mistake);
});

test('patterns are those of the query language', () => {
  expect(() => limitChecks.pattern('.*rate.*')).not.toThrow();
  expect(() => limitChecks.pattern('(')).toThrow('missing closing )');
});
