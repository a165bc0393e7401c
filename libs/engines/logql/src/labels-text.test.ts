import fc from 'fast-check';
import { Labels, LokiError } from '@loki/model';
import { parseLabels } from './labels-text.ts';

// Protects label text: which texts clients may push, and the words of refusals.

test.each([
  ['{}', []],
  ['{app="p"}', [['app', 'p']]],
  ["{app='p'}", [['app', 'p']]],
  ['{app=`p\\n`}', [['app', 'p\\n']]],
  ['{ z = "1" , app = "p" }', [['z', '1'], ['app', 'p']]],
  ['{app="p",}', [['app', 'p']]],
  ['{app="p", q="a\\"b\\\\c\\nd"}', [['app', 'p'], ['q', 'a"b\\c\nd']]],
  ['{app="p", app="q"}', [['app', 'p'], ['app', 'q']]],
  ['{app=""}', [['app', '']]],
  ['{"app.name"="p"}', [['app.name', 'p']]],
  ['{a="\\u017c\\xc3\\xb3"}', [['a', 'żó']]],
  [' {a="1"} # comment', [['a', '1']]],
  ['', []],
  [' # nothing', []],
  ['{"a.b"}', [['__name__', 'a.b']]],
  ['{"a.b", c="d"}', [['__name__', 'a.b'], ['c', 'd']]],
])('reads %s', (text, pairs) => {
  expect(parseLabels(text)).toEqual(pairs);
}); // prettier-ignore

test.each([
  ['{app=p}', '1:6: parse error: unexpected identifier "p" in label set, expected string'],
  ['app="p"', '1:4: parse error: unexpected "="'],
  ['{="1", app="p"}', '1:2: parse error: unexpected "=" in label set, expected identifier or "}"'],
  ['{app="p", x.y="1"}', "1:12: parse error: unexpected character inside braces: '.'"],
  ['{app "p"}', '1:6: parse error: unexpected string "\\"p\\"" in label set, expected "="'],
  ['{app!="p"}', '1:5: parse error: unexpected <op:!=> in label set, expected "="'],
  ['{app="p" env="q"}', '1:10: parse error: unexpected identifier "env" in label set, expected "," or "}"'],
  ['{app="p"', '1:9: parse error: unexpected end of input inside braces'],
  ['{app="p', '1:6: parse error: unterminated quoted string'],
  ['{app=="p"}', '1:6: parse error: unexpected "=" in label set, expected string'],
  ['{app="p"}}', "1:10: parse error: unexpected character: '}'"],
  ['{"a" "b"}', '1:6: parse error: unexpected string "\\"b\\"" in label set, expected "," or "}"'],
  ['{!a="b"}', "1:2: parse error: unexpected character after '!' inside braces: 'a'"],
  ['!{a="b"}', "1:1: parse error: unexpected character after '!': '{'"],
  ['=~', "1:1: parse error: unexpected character after '=': '~'"],
  ['{a="b"}%', '1:8: parse error: unexpected <op:%>'],
  ['{a="\\q"}', "1:4: parse error: unknown escape sequence U+0071 'q'"],
  ["{a='b\\\"c'}", "1:4: parse error: unknown escape sequence U+0022 '\"'"],
  ['{a="\\400"}', '1:4: parse error: escape sequence is an invalid Unicode code point'],
  ['{a="\\ud800"}', '1:4: parse error: escape sequence is an invalid Unicode code point'],
  ['{a="\\xg1"}', "1:4: parse error: illegal character U+0067 'g' in escape sequence"],
  ['{a="1"}\n{', '2:1: parse error: unexpected "{"'],
])('refuses %s', (text, message) => {
  expect(() => parseLabels(text)).toThrow(new LokiError('badRequest', `couldn't parse labels: ${message}`));
});

test('parseLabels reads every text that Labels prints', () => {
  const pair = fc.tuple(
    fc.stringMatching(/^[a-zA-Z_]\w{0,8}$/),
    fc.string({ unit: 'grapheme', minLength: 1 }),
  );
  fc.assert(
    fc.property(fc.array(pair), (pairs) => {
      const labels = Labels.fromPairs(pairs);
      expect(parseLabels(labels.toString())).toEqual([...labels]);
    }),
  );
});

test('any text is read or refused with a LokiError', () => {
  const noise = fc.string({
    unit: fc.constantFrom('{', '}', '"', "'", '`', '\\', '=', ',', 'a', '\n', 'ż', '#'),
  });
  fc.assert(
    fc.property(fc.oneof(noise, fc.string({ unit: 'binary' })), (text) => {
      try {
        parseLabels(text);
      } catch (error) {
        expect(error).toBeInstanceOf(LokiError);
      }
    }),
  );
});
