import fc from 'fast-check';
import { decodeOtlpLogs } from './otlp-logs.ts';
import { OtlpArray, OtlpMap } from './otlp-types.ts';
import type { OtlpAttribute, OtlpRecord, OtlpValue } from './otlp-types.ts';
import { bytesField, varintField } from './push-request.ts';
import { ProtoError } from './wire.ts';

function encodeValue(value: OtlpValue): Buffer {
  if (value === undefined) return Buffer.alloc(0);
  if (typeof value === 'string') return bytesField(1, Buffer.from(value));
  if (typeof value === 'boolean') return varintField(2, value ? 1n : 0n);
  if (typeof value === 'bigint') return varintField(3, value);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 33);
    bytes.writeDoubleLE(value, 1);
    return bytes;
  }
  if (value instanceof OtlpArray) {
    return bytesField(5, Buffer.concat(value.values.map((item) => bytesField(1, encodeValue(item)))));
  }
  if (value instanceof OtlpMap) {
    return bytesField(6, Buffer.concat(value.pairs.map((pair) => bytesField(1, encodePair(pair)))));
  }
  return bytesField(7, value);
}

function encodePair({ key, value }: OtlpAttribute): Buffer {
  return Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, encodeValue(value))]);
}

function decode(bytes: Buffer) {
  const seen: unknown[] = [];
  decodeOtlpLogs(bytes, {
    resource: (resource) => seen.push(['resource', resource.attributes]),
    scope: (scope) => seen.push(['scope', scope.name, scope.attributes]),
    record: (record: OtlpRecord) => {
      const line =
        record.lineStart < 0 ? record.body : bytes.toString('utf8', record.lineStart, record.lineEnd);
      seen.push(['record', line, record.attributes, record.traceId]);
    },
  });
  return seen;
}

const scalar = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(undefined),
);
const { value: anyValue } = fc.letrec<{ value: OtlpValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map((values) => new OtlpArray(values)),
    fc
      .array(fc.record({ key: fc.string({ maxLength: 5 }), value: tie('value') }), { maxLength: 3 })
      .map((pairs) => new OtlpMap(pairs)),
  ),
}));

test('values of every kind come back, as bodies and as attributes', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const pair = { key: 'k', value };
      const record = Buffer.concat([
        bytesField(6, encodePair(pair)),
        bytesField(5, encodeValue(value)),
        bytesField(9, Buffer.alloc(16, 0xab)),
      ]);
      // The scope stands behind its records, and the resource behind its scopes.
      const scopeLogs = Buffer.concat([
        bytesField(2, record),
        bytesField(1, bytesField(1, Buffer.from('lib'))),
      ]);
      const resourceLogs = Buffer.concat([
        bytesField(2, scopeLogs),
        bytesField(1, bytesField(1, encodePair(pair))),
      ]);
      expect(decode(bytesField(1, resourceLogs))).toEqual([
        ['resource', [pair]],
        ['scope', 'lib', []],
        ['record', value, [pair], 'ab'.repeat(16)],
      ]);
    }),
    { numRuns: 500 },
  );
});

test('ids of the wrong length are refused, zero ids mean none', () => {
  const request = (id: Buffer) => bytesField(1, bytesField(2, bytesField(2, bytesField(9, id))));
  expect(() => decode(request(Buffer.alloc(15, 1)))).toThrow(ProtoError);
  expect(decode(request(Buffer.alloc(16)))[2]).toEqual(['record', undefined, [], '']);
});

/** Texts of OpenTelemetry's pdata 1.70. */
test.each([
  [[0x01, 2, 3], 'proto: Link: illegal field=0 (tag=1, pos=1)'],
  [[0x0a, 3, 0x12, 1, 2], 'proto: Link: illegal field=0 (tag=2, pos=1)'],
  [[0x0c], 'proto: wrong wireType = 4 for field ResourceLogs'],
  [[0x14], 'proto: unexpected end of group'],
  [[0x0a, 5, 1], 'unexpected EOF'],
  [[0x16], 'proto: illegal wireType 6'],
])('%j is refused: %s', (bytes, message) => {
  expect(() => decode(Buffer.from(bytes))).toThrow(new ProtoError(message));
});

test('values that nest without end are refused', () => {
  let value = encodeValue('x');
  for (let i = 0; i < 600; i++) value = bytesField(5, bytesField(1, value));
  expect(() => decode(bytesField(1, bytesField(2, bytesField(2, bytesField(5, value)))))).toThrow(
    'nest too deep',
  );
});

test('random and damaged bytes are records or a ProtoError', () => {
  const value = new OtlpMap([{ key: 'a', value: new OtlpArray(['x', 5n, 1.5]) }]);
  const record = Buffer.concat([
    bytesField(5, encodeValue(value)),
    bytesField(6, encodePair({ key: 'k', value })),
    varintField(2, 9n),
  ]);
  const good = bytesField(
    1,
    Buffer.concat([
      bytesField(1, bytesField(1, encodePair({ key: 'r', value: 'v' }))),
      bytesField(2, bytesField(2, record)),
    ]),
  );
  const changes = fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(changes, fc.nat({ max: good.length }), (damage, length) => {
      const bytes = Buffer.from(good.subarray(0, length));
      for (const [at, byte] of damage) if (at < length) bytes[at] = byte;
      try {
        decode(bytes);
      } catch (error) {
        if (!(error instanceof ProtoError)) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});
