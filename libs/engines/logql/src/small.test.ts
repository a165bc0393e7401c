import { fold } from './fold.ts';
import { ipMatches, parseIp, parseIpMatcher } from './ip.ts';
import { parseJsonPath } from './json-path.ts';
import { formatByteSize, formatNumber, parseByteSize, parseFloatGo } from './numbers.ts';
import { parseSyntax } from './parser.ts';
import { parseLinePattern, parsePattern } from './pattern.ts';
import { formatExpr } from './pretty.ts';

test.each([
  ['a', ['a']],
  ['a.b["x y"][0]', ['a', 'b', 'x y', 0]],
  ['[0].b', [0, 'b']],
  ['["a\\"b"]', ['a"b']],
  ['żółw.x', ['żółw', 'x']],
] as const)('json path %s', (path, steps) => {
  expect(parseJsonPath(path)).toEqual(steps);
});

test.each(['', 'a[', 'a..b', '.b', 'b.', 'b c', 'b-c', 'b[-1]', 'b[x]', "['b']", 'a[99999999999999999999]'])(
  'no json path: %s',
  (path) => {
    expect(() => parseJsonPath(path)).toThrow(`cannot parse expression [${path}]: `);
  },
);

test.each([
  ['10.0.0.1', '10.0.0.1', '10.0.0.2'],
  ['10.0.0.5/8', '10.255.255.255', '11.0.0.0'],
  ['10.0.0.1-10.0.0.9', '10.0.0.9', '10.0.0.10'],
  ['2001:db8::/32', '2001:db8:ffff::1', '2001:db9::'],
  ['::ffff:1.2.3.4', '::ffff:102:304', '1.2.3.4'],
  ['0.0.0.0/0', '255.255.255.255', '::1'],
])('%s takes %s and not %s', (pattern, inside, outside) => {
  const matcher = parseIpMatcher(pattern);
  expect(ipMatches(matcher, parseIp(inside)!)).toBe(true);
  expect(ipMatches(matcher, parseIp(outside)!)).toBe(false);
});

test.each(['', 'nonsense', '999.1.1.1', '10.0.0.0/99', '10.0.0.9-10.0.0.1', '1.1.1.1-::1', '01.1.1.1', '1::2::3', ':::', '1:2:3'])(
  'no address: %s',
  (pattern) => {
    expect(() => parseIpMatcher(pattern)).toThrow(`ip: invalid pattern: ${JSON.stringify(pattern)}`);
  },
); // prettier-ignore

test('patterns keep text and captures in order', () => {
  expect(parsePattern('<ip> - <_> [<t>] <')).toEqual([
    { kind: 'capture', name: 'ip' },
    { kind: 'literal', text: ' - ' },
    { kind: 'capture', name: '_' },
    { kind: 'literal', text: ' [' },
    { kind: 'capture', name: 't' },
    { kind: 'literal', text: '] <' },
  ]);
  expect(parseLinePattern('')).toEqual([]);
});

test.each([
  [1e21, '1000000000000000000000'],
  [1.5e-7, '0.00000015'],
  [123456.789, '123456.789'],
  [1.7976931348623157e308, `17976931348623157${'0'.repeat(292)}`],
  [-0.5, '-0.5'],
])('writes %d without exponent', (value, text) => {
  expect(formatNumber(value)).toBe(text);
  expect(Number(text)).toBe(value);
});

test('numbers are read as Go reads them', () => {
  expect(parseFloatGo('1_000')).toBe(1000);
  expect(parseFloatGo('0x1p-2')).toBe(0.25);
  expect(parseFloatGo('5.')).toBe(5);
  expect(parseFloatGo('1e400')).toBe('strconv.ParseFloat: parsing "1e400": value out of range');
});

test('byte sizes are read in decimal and binary units', () => {
  expect(['5MB', '1.5KiB', '42B', '1kB', '1PiB', '5mb', '5EB'].map(parseByteSize)).toEqual([
    5_000_000,
    1536,
    42,
    1000,
    2 ** 50,
    undefined,
    undefined,
  ]);
  expect([5, 42, 1536, 999_999, 5 * 2 ** 30, 500e6, 12_500, 13_500].map(formatByteSize)).toEqual([
    '5B', '42B', '1.5kB', '1000kB', '5.4GB', '500MB', '12kB', '14kB',
  ]); // prettier-ignore
});

test('arithmetic has no infinity by division', () => {
  expect([fold('/', 1, 0), fold('%', 5, 0), fold('^', 2, 0.5), fold('%', -7, 4), fold('>', 1, 2)]).toEqual([
    Number.NaN, Number.NaN, Math.SQRT2, -3, 0,
  ]); // prettier-ignore
});

test.each([
  ['x', 99, 1],
  ['x', 100, 1],
  ['x', 101, 2],
  // Bytes count, not characters: a query of 60 characters may be too long for a line.
  ['é', 99, 1],
  ['é', 100, 1],
  ['é', 101, 2],
  ['日', 100, 1],
  ['日', 102, 2],
  ['😀', 100, 1],
  ['😀', 103, 2],
])('format_query breaks a query of %s at more than 100 bytes: %d are %d lines', (letter, bytes, lines) => {
  const room = bytes - Buffer.byteLength('{app=""} |= ""');
  const filler = letter.repeat(Math.floor((room - 1) / Buffer.byteLength(letter)));
  const query = `{app="${'a'.repeat(room - Buffer.byteLength(filler))}"} |= "${filler}"`;
  expect(Buffer.byteLength(query)).toBe(bytes);
  expect(formatExpr(parseSyntax(query, 'any')).split('\n')).toHaveLength(lines);
});
