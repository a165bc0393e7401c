/** Protects the bounds of JSON values and the meaning of escapes, for distributors and queriers alike. */
import { blockEnd, closingQuote, skipBlanks, tokenEnd, unescapeJson } from './jsonparser.ts';

const openBrace = 0x7b;
const openBracket = 0x5b;

test.each([
  ['{}', 2],
  ['{"a":{"b":[1]}} tail', 15],
  ['{"}":"\\"}"}x', 11],
  ['{"a":"\\', -1],
  ['{"a":{}', -1],
  ['{]}', 3],
])('the object at the start of %s ends at %d', (text, end) => {
  expect(blockEnd(Buffer.from(text), 0, text.length, openBrace)).toBe(end);
});

test('arrays close by their own brackets, and not behind the end', () => {
  expect(blockEnd(Buffer.from('[[1],"]"] ]'), 0, 11, openBracket)).toBe(9);
  expect(blockEnd(Buffer.from('[[1],"]"] ]'), 0, 8, openBracket)).toBe(-1);
});

test.each([
  ['a"b', 1],
  ['\\""', 2],
  ['\\\\"', 2],
  ['abc', -1],
  ['abc\\', -1],
])('the quote that closes %s stands at %d', (text, place) => {
  expect(closingQuote(Buffer.from(text), 0, text.length)).toBe(place);
});

test('blanks and tokens stop at the end', () => {
  expect(skipBlanks(Buffer.from(' \t\r\n1'), 0, 5)).toBe(4);
  expect(skipBlanks(Buffer.from('  1'), 0, 2)).toBe(2);
  expect(tokenEnd(Buffer.from('12.5e3]'), 0, 7)).toBe(6);
  expect(tokenEnd(Buffer.from('true'), 0, 4)).toBe(4);
});

test.each([
  ['plain', 'plain'],
  [String.raw`\"\\\/\b\f\n\r\t`, '"\\/\b\f\n\r\t'],
  [String.raw`\u00e9\uD83D\uDE00`, 'é😀'],
  [String.raw`\ud800x`, '\ufffdx'],
  [String.raw`\x`, undefined],
  [String.raw`\u12g4`, undefined],
  [String.raw`\u12`, undefined],
  ['a\\', undefined],
])('%s means %j', (written, text) => {
  expect(unescapeJson(written)).toBe(text);
});

test('one more character may stand for itself', () => {
  expect(unescapeJson("it\\'s")).toBeUndefined();
  expect(unescapeJson("it\\'s", "'")).toBe("it's");
});
