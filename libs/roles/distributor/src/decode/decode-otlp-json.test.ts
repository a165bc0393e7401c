/**
 * Protects senders of OTLP's JSON form: error texts and the meaning of fields are those of OpenTelemetry's
 * decoder.
 */
import fc from 'fast-check';
import { LokiError } from '@loki/model';
import type { OtlpRecord } from '@loki/proto';
import { decodeOtlpJson } from './decode-otlp-json.ts';

function record(fields: string): string {
  return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${fields}}]}]}]}`;
}

function value(text: string): string {
  return record(`"attributes":[{"key":"a","value":${text}}]`);
}

/** Calls of the sink, in order. */
function decode(body: string): unknown[] {
  const seen: unknown[] = [];
  const bytes = Buffer.from(body);
  decodeOtlpJson(bytes, {
    resource: ({ attributes }) => seen.push(['resource', attributes]),
    scope: ({ name }) => seen.push(['scope', name]),
    record: (given) => {
      const { lineStart, lineEnd } = given;
      const line = lineStart < 0 ? given.body : bytes.toString('utf8', lineStart, lineEnd);
      seen.push(['record', { ...given, body: line }]);
    },
  });
  return seen;
}

function onlyRecord(body: string): OtlpRecord {
  return (decode(body)[2] as [string, OtlpRecord])[1];
}

/** Texts of OpenTelemetry's pdata 1.70; `at #n` stands for where the fault is said to be. */
test.each([
  ['', 'ReadObject: expect { or , or } or n, but found \0 at #0'],
  ['[]', 'ReadObject: expect { or , or } or n, but found [ at #1'],
  ['{"resourceLogs":{}}', 'ReadArray: expect [ or , or ] or n, but found { at #10'],
  ['{"resourceLogs":[5]}', 'ReadObject: expect { or , or } or n, but found 5 at #10'],
  ['{"resourceLogs":[{"resource":[]}]}', 'ReadObject: expect { or , or } or n, but found [ at #10'],
  ['{"a" 1}', 'ReadObject: expect : after object field, but found 1 at #6'],
  ['{"a":1 "b":2}', 'ReadObject: expect { or , or } or n, but found " at #8'],
  [record('"severityNumber":"x"'), 'ReadEnumValue: unknown string value at #10'],
  [record('"severityNumber":1.5'), 'assertInteger: can not decode float as int at #10'],
  [record('"severityNumber":true'), 'ReadEnumValue: unsupported value type at #10'],
  [record('"severityText":5'), 'ReadString: expects " or n, but found 5 at #10'],
  [record('"traceId":"0123"'), 'ID.UnmarshalJSONIter: length mismatch at #10'],
  [record('"traceId":5'), 'ReadStringAsSlice: expects " or n, but found 5 at #10'],
  [
    record('"spanId":"0123456789abcdez"'),
    "ID.UnmarshalJSONIter: encoding/hex: invalid byte: U+007A 'z' at #10",
  ],
  [
    record('"spanId":"0123456789abcdef0"'),
    'ID.UnmarshalJSONIter: encoding/hex: odd length hex string at #10',
  ],
  [record('"flags":-1'), 'readUint32: unexpected character: � at #10'],
  [record('"flags":"x"'), 'ReadUint32: strconv.ParseUint: parsing "x": invalid syntax at #10'],
  [record('"flags":4294967296'), 'readUint32: overflow at #10'],
  [record('"timeUnixNano":null'), 'ReadUint64: unsupported value type at #10'],
  [record('"timeUnixNano":"-5"'), 'ReadUint64: strconv.ParseUint: parsing "-5": invalid syntax at #10'],
  [record('"timeUnixNano":""'), 'ReadUint64: strconv.ParseUint: parsing "": invalid syntax at #10'],
  [record('"timeUnixNano":1.5'), 'assertInteger: can not decode float as int at #10'],
  [
    record('"timeUnixNano":"18446744073709551616"'),
    'ReadUint64: strconv.ParseUint: parsing "18446744073709551616": value out of range at #10',
  ],
  [record('"timeUnixNano":18446744073709551616'), 'readUint64: overflow at #10'],
  [value('"x"'), 'ReadObject: expect { or , or } or n, but found " at #10'],
  [value('{"intValue":"x"}'), 'ReadInt64: strconv.ParseInt: parsing "x": invalid syntax at #10'],
  [value('{"intValue":9223372036854775808}'), 'ReadInt64: overflow: 9223372036854775808 at #10'],
  [
    value('{"intValue":"9223372036854775808"}'),
    'ReadInt64: strconv.ParseInt: parsing "9223372036854775808": value out of range at #10',
  ],
  [value('{"boolValue":1}'), 'ReadBool: expect t or f, but found 1 at #10'],
  [value('{"doubleValue":"x"}'), 'ReadUint64: strconv.ParseFloat: parsing "x": invalid syntax at #10'],
  [value('{"bytesValue":"!!"}'), 'base64.Decode: illegal base64 data at input byte 0 at #10'],
  [value('{"bytesValue":"AAA"}'), 'base64.Decode: illegal base64 data at input byte 0 at #10'],
  [value('{"arrayValue":[]}'), 'ReadObject: expect { or , or } or n, but found [ at #10'],
  [record('"body":"x"'), 'ReadObject: expect { or , or } or n, but found " at #10'],
  [record('"droppedAttributesCount":"5'), 'readStringSlowPath: unexpected end of input at #10'],
  [
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hel',
    'readStringSlowPath: unexpected end of input at #10',
  ],
])('%s is refused: %s', (body, message) => {
  let text = '';
  try {
    decode(body);
  } catch (error) {
    expect(error).toBeInstanceOf(LokiError);
    text = (error as LokiError).message;
  }
  expect(text.replace(/, error found in (#\d+) byte of .*$/s, ' at $1')).toBe(message);
});

test('a resource comes before its scopes and a scope before its records, wherever they stand', () => {
  const body =
    '{"x":[1],"resource_logs":[{"scope_logs":[{"log_records":[{"body":{"string_value":"a"}}],"scope":{"name":"lib"}}],' +
    '"resource":{"attributes":[{"key":"k","value":{"intValue":"5"}}]}}]}';
  expect(decode(body)).toEqual([
    ['resource', [{ key: 'k', value: 5n }]],
    ['scope', 'lib'],
    ['record', expect.objectContaining({ body: 'a' })],
  ]);
});

test.each([
  ['"timeUnixNano":"18446744073709551615"', { timeNs: (1n << 64n) - 1n }],
  ['"time_unix_nano":5', { timeNs: 5n }],
  ['"severityNumber":"SEVERITY_NUMBER_WARN2"', { severityNumber: 14 }],
  ['"severityNumber":99', { severityNumber: 99 }],
  ['"severityText":null', { severityText: '' }],
  ['"traceId":"0123456789ABCDEF0123456789abcdef"', { traceId: '0123456789abcdef0123456789abcdef' }],
  ['"traceId":"00000000000000000000000000000000"', { traceId: '' }],
  ['"spanId":"000000000000000a"', { spanId: '000000000000000a' }],
  ['"body":{"stringValue":"a","intValue":7}', { body: 7n }],
  ['"body":{"intValue":7,"stringValue":"a"}', { body: 'a' }],
  ['"body":{"stringValue":"a","x":1}', { body: 'a', lineEnd: expect.any(Number) }],
  ['"body":{"stringValue":"a","stringValue":"b\\n"}', { body: 'b\n', lineStart: -1 }],
  ['"body":{"stringValue":"a","stringValue":null}', { body: '', lineStart: -1 }],
  ['"body":{"stringValue":"a"},"body":{}', { body: undefined, lineStart: -1 }],
  ['"body":{"stringValue":"a"},"body":null', { body: undefined, lineStart: -1 }],
  ['"body":{"stringValue":""}', { body: '' }],
  ['"body":{"stringValue":"é"}', { body: 'é' }],
  ['"timeUnixNano":"0001700000000000000"', { timeNs: 1_700_000_000_000_000n }],
  ['"timeUnixNano":"9999999999999999999"', { timeNs: 9_999_999_999_999_999_999n }],
  ['"timeUnixNano":"10000000000000000000"', { timeNs: 10_000_000_000_000_000_000n }],
  ['"timeUnixNano":"7"', { timeNs: 7n }],
  ['"body":{"doubleValue":"1.5"}', { body: 1.5 }],
  ['"body":{"stringValue":"\\u00e9\\ud800"}', { body: 'é\ufffd' }],
  ['"body":null', { body: undefined }],
  ['"attributes":null', { attributes: [] }],
])('a record with %s', (fields, expected) => {
  expect(onlyRecord(record(fields))).toMatchObject(expected);
});

test('values that nest without end are refused', () => {
  const deep = '{"arrayValue":{"values":['.repeat(600);
  expect(() => decode(value(deep))).toThrow('nest too deep');
  expect(() => decode(record(`"x":${'['.repeat(20_000)}`))).toThrow('exceeded max depth');
});

test('a damaged request is records or an error of the catalogue', () => {
  const good = record(
    '"timeUnixNano":"5","severityNumber":9,"body":{"kvlistValue":{"values":[{"key":"a","value":{"doubleValue":1.5}}]}},"flags":1',
  );
  const damage = fc.tuple(
    fc.nat({ max: good.length }),
    fc.nat({ max: 3 }),
    fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', 'null', '1', '-', ' ', '\u0000'),
  );
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (changes) => {
      let body = good;
      for (const [at, cut, insert] of changes) body = body.slice(0, at) + insert + body.slice(at + cut);
      try {
        decode(body);
      } catch (error) {
        expect(error).toBeInstanceOf(LokiError);
      }
    }),
    { numRuns: 1000 },
  );
});
