/**
 * Protects the reading of parameters: every read endpoint takes them from forms and URLs as a Go server does.
 */
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { formBytesMax, parameterBytesMax, parametersMax, parseForm, parseQueryText } from './form.ts';

function form(
  method: string,
  type: string | undefined,
  body: string | Buffer,
  queryText = '',
): (readonly [string, string])[] {
  const headers = new Map(type === undefined ? [] : [['content-type', type]]);
  return [...parseForm({ method, headers, queryText, body: Buffer.from(body) })];
}

test('values of a form come before those of the URL', () => {
  expect(form('POST', 'application/x-www-form-urlencoded', 'a=1&b=2', 'a=3')).toEqual([
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
  ]);
});

test.each([
  ['POST', 'Application/X-WWW-Form-Urlencoded; charset=UTF-8', [['a', '1']]],
  ['PUT', 'application/x-www-form-urlencoded', [['a', '1']]],
  ['GET', 'application/x-www-form-urlencoded', []],
  ['DELETE', 'application/x-www-form-urlencoded', []],
  ['POST', 'application/json', []],
  ['POST', undefined, []],
])('%s with type %s', (method, type, expected) => {
  expect(form(method, type, 'a=1')).toEqual(expected);
});

test('an invalid content type is refused', () => {
  expect(() => form('POST', 'a/b; c', '')).toThrow('mime: invalid media parameter');
});

/** Texts of Go 1.26. */
test.each([
  ['a=%zz', 'invalid URL escape "%zz"'],
  ['a=1&b=%', 'invalid URL escape "%"'],
  ['a%=b', 'invalid URL escape "%"'],
  ['a=%4', 'invalid URL escape "%4"'],
  ['a=b;c=d', 'invalid semicolon separator in query'],
])('%s is refused: %s', (text, message) => {
  expect(() => parseQueryText(text)).toThrow(message);
});

test.each(['', 'a', 'a=b=c&&d', 'a=%25&b=+', 'a=%3B'])('%s is taken', (text) => {
  expect([...parseQueryText(text)]).toEqual([...new URLSearchParams(text)]);
});

// Half a surrogate pair for each byte that is no UTF-8, and nothing else lost: the LogQL scanner refuses it.
test.each([
  ['%ff', '\udcff'],
  ['a%C3', 'a\udcc3'],
  ['%C3%28', '\udcc3('],
  ['%C5%BC%FE%C5%BC', 'ż\udcfeż'],
  ['%ED%A0%80', '\udced\udca0\udc80'],
  ['%F0%9F%98', '\udcf0\udc9f\udc98'],
  ['%C0%80', '\udcc0\udc80'],
  ['%F0%9F%98%80%80', '😀\udc80'],
  ['%EF%BF%BD', '\ufffd'],
])('a byte that is no UTF-8 is no U+FFFD: %s', (escaped, text) => {
  const bytes = escaped.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  expect(parseQueryText(`a=${escaped}`).get('a')).toBe(text);
  expect(parseQueryText(`a=${bytes}`).get('a')).toBe(text);
  const type = 'application/x-www-form-urlencoded';
  expect(form('POST', type, Buffer.from(`${escaped}=b`))).toEqual([[text, 'b']]);
  expect(form('POST', type, Buffer.from(`b=${bytes}`, 'latin1'))).toEqual([['b', text]]);
});

test('bytes that are no UTF-8 are singled out among those that are', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc.string({ unit: 'binary', maxLength: 3 }).map((text) => Buffer.from(text.toWellFormed())),
    fc
      .constantFrom(
        'e0a080',
        'e09f80',
        'eda080',
        'ed9fbf',
        'f0908080',
        'f08f8080',
        'f48fbfbf',
        'f4908080',
        'c1bf',
      )
      .map((hex) => Buffer.from(hex, 'hex')),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const bytes = Buffer.concat(pieces);
      let expected = '';
      for (let i = 0; i < bytes.length;) {
        const size = [1, 2, 3, 4].find((n) => i + n <= bytes.length && isUtf8(bytes.subarray(i, i + n)));
        expected += size ? bytes.toString('utf8', i, i + size) : String.fromCharCode(0xdc00 + bytes[i]);
        i += size ?? 1;
      }
      const written = bytes.toString('hex').replace(/../g, '%$&');
      expect(parseQueryText(`a=${written}`).get('a')).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

const escapes = (bytes: number) => `a=${'%e9'.repeat(bytes / 3)}`;

// 10 MB of escapes took 3.8 s of the thread that answers health checks.
test.each([
  ['a long parameter', `start=${'1'.repeat(parameterBytesMax)}`, 'parameter too long (524294 > 524288)'],
  ['a long name', 'a'.repeat(parameterBytesMax + 1), 'parameter too long (524289 > 524288)'],
  ['many parameters', 'a=1&'.repeat(parametersMax + 1), 'too many parameters, limit: 10000'],
  [
    'a large form',
    Array.from({ length: 21 }, () => escapes(102_399)).join('&'),
    'parameters too large, limit: 2097152 bytes',
  ],
  ['nothing but separators', '&'.repeat(formBytesMax + 2), 'parameters too large, limit: 2097152 bytes'],
])('%s is refused before it is decoded', (_, text, message) => {
  expect(() => form('POST', 'application/x-www-form-urlencoded', text)).toThrow(message);
  expect(() => parseQueryText(text)).toThrow(message);
});

test('a form at its bounds is accepted', () => {
  const query = `query=${'%7b'.repeat(131_072)}`;
  expect(form('POST', 'application/x-www-form-urlencoded', query)).toEqual([['query', '{'.repeat(131_072)]]);
  expect([...parseQueryText('a=1&'.repeat(parametersMax))]).toHaveLength(parametersMax);
});

const anyText = fc.string({ unit: 'binary' });

test('every written form reads back equal', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyText, anyText)), (pairs) => {
      const text = new URLSearchParams(pairs).toString();
      expect([...parseQueryText(text)]).toEqual([...new URLSearchParams(text)]);
    }),
  );
});
