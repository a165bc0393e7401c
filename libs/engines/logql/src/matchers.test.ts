import { compileMatchers } from './matchers.ts';
import { parseMatchers } from './parser.ts';

// Protects the one meaning of a selector: head, policies, tenants and blocks must agree on the streams it
// takes.
test.each([
  ['{app="a"}', { app: 'a' }, true],
  ['{app="a"}', { app: 'ab' }, false],
  ['{app!="a",zone="z"}', { app: 'a', zone: 'z' }, false],
  ['{app=~"a|b"}', { app: 'b' }, true],
  ['{app=~"a"}', { app: 'ab' }, false], // anchored
  ['{app=~"a.+"}', { app: 'a\nb' }, true], // the dot takes newlines
  ['{app!~"a.*",zone="z"}', { app: 'ab', zone: 'z' }, false],
  ['{app="a",zone=""}', { app: 'a' }, true], // a missing label is empty
  ['{app="a",zone=~".*"}', { app: 'a' }, true],
  ['{app="a",zone!=""}', { app: 'a' }, false],
  ['{app="a",zone=~"z.+"}', { app: 'a', zone: 'z1' }, true],
])('%s of %j: %s', (selector, labels, expected) => {
  const matches = compileMatchers(parseMatchers(selector));
  expect(matches(new Map(Object.entries(labels)))).toBe(expected);
});
