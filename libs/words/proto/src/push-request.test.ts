import fc from 'fast-check';
import { bytesField, decodePushRequest, encodePushRequest, varintField } from './push-request.ts';
import type { PushSink } from './push-request.ts';
import { encodeStatus } from './status.ts';
import { ProtoError, WireCursor } from './wire.ts';

interface Decoded {
  labels: string;
  entries: { timestampNs: bigint; line: string; metadata: [string, string][] }[];
}

function decode(bytes: Buffer): Decoded[] {
  const streams: Decoded[] = [];
  let entries: Decoded['entries'] = [];
  let metadata: [string, string][] = [];
  const text = (start: number, end: number) => bytes.toString('utf8', start, end);
  const sink: PushSink = {
    startStream() {
      entries = [];
    },
    addMetadata(nameStart, nameEnd, valueStart, valueEnd) {
      metadata.push([text(nameStart, nameEnd), text(valueStart, valueEnd)]);
    },
    addEntry(seconds, nanos, lineStart, lineEnd) {
      for (const at of [lineStart, lineEnd]) expect(at >= 0 && at <= bytes.length).toBe(true);
      entries.push({
        timestampNs: BigInt(seconds) * 1_000_000_000n + BigInt(nanos),
        line: text(lineStart, lineEnd),
        metadata,
      });
      metadata = [];
    },
    endStream(start, end) {
      streams.push({ labels: text(start, end), entries });
    },
  };
  decodePushRequest(bytes, sink);
  return streams;
}

const anyText = fc.string({ unit: 'grapheme', maxLength: 30 });
const pushes = fc.array(
  fc.record({
    labels: anyText,
    entries: fc.array(
      fc.record({
        timestampNs: fc.bigInt({ min: -62135596800n * 10n ** 9n, max: 253402300799n * 10n ** 9n }),
        line: anyText,
        metadata: fc.array(fc.tuple(anyText, anyText), { maxLength: 3 }),
      }),
      { maxLength: 4 },
    ),
  }),
  { maxLength: 3 },
);

test('an encoded push decodes to equal values', () => {
  fc.assert(
    fc.property(pushes, (streams) => {
      expect(decode(encodePushRequest({ streams }))).toEqual(streams);
    }),
    { numRuns: 300 },
  );
});

test('fields may come in any order, unknown ones are passed over, the last of a repeated one counts', () => {
  const time = bytesField(1, Buffer.concat([varintField(2, 5n), varintField(9, 1n), varintField(1, 7n)]));
  const entry = Buffer.concat([
    bytesField(3, Buffer.concat([bytesField(2, Buffer.from('v')), bytesField(1, Buffer.from('k'))])),
    bytesField(2, Buffer.from('dropped')),
    bytesField(4, Buffer.from('parsed labels')),
    bytesField(2, Buffer.from('line')),
    time,
  ]);
  const stream = Buffer.concat([
    bytesField(2, entry),
    varintField(3, 2n ** 64n - 1n),
    bytesField(1, Buffer.from('{a="b"}')),
  ]);
  const request = Buffer.concat([bytesField(2, Buffer.from('format')), bytesField(1, stream)]);
  expect(decode(request)).toEqual([
    { labels: '{a="b"}', entries: [{ timestampNs: 7_000_000_005n, line: 'line', metadata: [['k', 'v']] }] },
  ]);
});

test.each([
  [[0x01, 2, 3], 'proto: PushRequest: illegal tag 0 (wire type 1)'],
  [[0x0c], 'proto: PushRequest: wiretype end group for non-group'],
  [[0x08, 1], 'proto: wrong wireType = 0 for field Streams'],
  [[0x0a, 5, 1], 'unexpected EOF'],
  [[0x0a], 'unexpected EOF'],
  [[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], 'proto: integer overflow'],
  [
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    'proto: negative length found during unmarshaling',
  ],
  [[0x1e], 'proto: illegal wireType 6'],
  [[0x0a, 2, 0x0d, 0], 'proto: wrong wireType = 5 for field Labels'],
  [[0x0a, 8, 0x12, 6, 0x0a, 4, 0x10, 0xff, 0xff, 0x7f], undefined],
])('bytes %j are refused as the Go decoder refuses them: %s', (bytes, text) => {
  const run = () => decode(Buffer.from(bytes));
  if (text === undefined) expect(run).not.toThrow();
  else expect(run).toThrow(new ProtoError(text));
});

test('a timestamp outside of the years 1 to 9999, or with odd nanos, is refused', () => {
  const push = (seconds: bigint, nanos: bigint) =>
    bytesField(
      1,
      bytesField(2, bytesField(1, Buffer.concat([varintField(1, seconds), varintField(2, nanos)]))),
    );
  expect(() => decode(push(253402300800n, 0n))).toThrow(ProtoError);
  expect(() => decode(push(-62135596801n, 0n))).toThrow(ProtoError);
  expect(() => decode(push(0n, 1_000_000_000n))).toThrow(ProtoError);
  expect(() => decode(push(0n, -1n))).toThrow(ProtoError);
});

test('random and damaged bytes are a push or a ProtoError, and never read outside of the body', () => {
  const good = encodePushRequest({
    streams: [{ labels: '{a="b"}', entries: [{ timestampNs: 5n, line: 'x', metadata: [['k', 'v']] }] }],
  });
  const damaged = fc
    .array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const bytes = Buffer.from(good);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        try {
          decode(bytes);
        } catch (error) {
          if (!(error instanceof ProtoError)) throw error;
        }
      },
    ),
    { numRuns: 5000 },
  );
});

test('groups are skipped, but not without end', () => {
  const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x1b), Buffer.alloc(depth, 0x1c)]);
  expect(decode(nested(50))).toEqual([]);
  expect(() => decode(nested(200))).toThrow('groups nest too deep');
});

test('a status holds its message, and a code when there is one', () => {
  expect(encodeStatus('ab').equals(Buffer.from([0x12, 2, 0x61, 0x62]))).toBe(true);
  expect(encodeStatus('a', 3).equals(Buffer.from([0x08, 3, 0x12, 1, 0x61]))).toBe(true);
});

test('signed numbers of ten bytes are negative', () => {
  const cursor = new WireCursor(varintField(1, -5n));
  cursor.at = 1;
  expect(cursor.int64Number(11)).toBe(-5);
});
