/**
 * Protects what attributes and bodies of other kinds than text look like; texts of OpenTelemetry's pdata
 * 1.70.
 */
import { OtlpArray, OtlpMap } from '@loki/proto';
import type { OtlpValue } from '@loki/proto';
import { otlpText } from './otlp-text.ts';

const map = (...pairs: [string, OtlpValue][]) => new OtlpMap(pairs.map(([key, value]) => ({ key, value })));

test.each<[OtlpValue, string]>([
  ['<&>', '<&>'],
  [undefined, ''],
  [1, '1'],
  [-0, '-0'],
  [1e21, '1e+21'],
  [1e-7, '1e-7'],
  [Number.NaN, 'NaN'],
  [-Infinity, '-Infinity'],
  [9223372036854775807n, '9223372036854775807'],
  [false, 'false'],
  [Buffer.from([1, 2, 3]), 'AQID'],
  [new OtlpArray([]), '[]'],
  [map(), '{}'],
  [
    new OtlpArray(['<&>\u2028é\0\x1f', 1e21, -0, undefined, Buffer.from([1]), true, 5n]),
    '["<&>\\u2028é\\u0000\\u001f",1e+21,-0,null,"AQ==",true,5]',
  ],
  [map(['b', '<'], ['a', undefined], ['<', map()], ['b', 2n]), '{"<":{},"a":null,"b":2}'],
  [new OtlpArray([1, Number.NaN]), ''],
  [map(['x', new OtlpArray([Infinity])]), ''],
])('%p is %j', (value, text) => expect(otlpText(value)).toBe(text));
