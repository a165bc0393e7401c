import { quoteGo, quoteRune, quoteToAscii } from './quote.ts';
import { unquoteGo, unquoteRune } from './unquote.ts';

// Protects texts in Go's notation: queries are read and printed in it, and errors and labels show it.
test.each([
  ['plain', '"plain"'],
  ['a"b\\c', '"a\\"b\\\\c"'],
  ['tab\tnl\n', '"tab\\tnl\\n"'],
  ['\u0001\u007f', '"\\x01\\x7f"'],
  ['żółw ✓', '"żółw ✓"'],
  ['\u200b', '"\\u200b"'],
  ['a\udcfe', '"a\\xfe"'],
  ['\udcff', '"\\xff"'],
  ['\ud800', '"\\ud800"'],
])('quotes %j', (text, quoted) => expect(quoteGo(text)).toBe(quoted));

test('quotes in ASCII, and runes', () => {
  expect(quoteToAscii('ż"😀')).toBe('"\\u017c\\"\\U0001f600"');
  expect(quoteRune("'", false)).toBe("'\\''");
  expect(quoteRune('ż', false)).toBe("'ż'");
  expect(quoteRune('ż', true)).toBe("'\\u017c'");
});

test.each([
  ['"a\\tb"', 'a\tb'],
  ['"\\u017c\\U0001F600"', 'ż😀'],
  ['"\\xc5\\xbc\\303\\263"', 'żó'],
  ['`a\\n\r`', 'a\\n'],
  [`'it"s'`, 'it"s'],
])('unquotes %s', (literal, text) => {
  expect(unquoteGo(literal)).toBe(text);
});

test.each(['"', '"a', '"\\q"', '"\\400"', '"\\ud800"', `"\\'"`, 'a', '`'])('no literal: %s', (literal) => {
  expect(unquoteGo(literal)).toBeUndefined();
});

test.each([
  ["'a'", 97],
  ["'\\n'", 10],
  ["'\\''", 39],
  ["'ż'", 0x17c],
  ["'\\u017c'", 0x17c],
  ["'\\xff'", 255],
  ["'\\101'", 65],
  ["'\\400'", undefined],
  ["'\\xc5\\xbc'", undefined],
  ["'ab'", undefined],
  ["''", undefined],
  ["'\\\"'", undefined],
])('the rune of %s', (quoted, rune) => expect(unquoteRune(quoted)).toBe(rune));
