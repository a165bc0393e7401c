/**
 * Protects: compressed bodies decode as their libraries encode them; damaged ones are refused within bounds.
 */
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { LokiError, mib } from '@loki/model';
import { decompressedBytesMaxOf } from '../options.ts';
import { testDistributor } from '../test/distributor.ts';
import { lz4DecodeFrame } from './lz4.ts';
import { readJsonBody as readJson, readOtlpBody } from './read-body.ts';
import type { BodyBounds } from './read-body.ts';
import { SnappyDecoder } from './snappy-decoder.ts';

/** A body that is not cut. */
function readJsonBody(body: Buffer, encoding: string, limits: BodyBounds): Buffer {
  const { bytes, cutText } = readJson(body, encoding, limits);
  if (cutText !== undefined) throw new LokiError('badRequest', cutText);
  return bytes;
}

const bounds = { recvBytesMax: mib, decompressedBytesMax: mib };

/** Bytes with the repetitions that compressors look for. */
const compressible = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 30 })), { maxLength: 60 })
  .map((parts) =>
    Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))),
  );

const large = Buffer.from(
  Array.from({ length: 20_000 }, (_, i) => `line ${i} level=${i % 7} path=/a/${i % 300}`).join('\n'),
);

test('snappy blocks of the native library decode to what was compressed', () => {
  const decoder = new SnappyDecoder();
  fc.assert(
    fc.property(compressible, (bytes) => {
      expect(decoder.decode(compressSync(bytes), mib).equals(bytes)).toBe(true);
    }),
    { numRuns: 200 },
  );
  expect(decoder.decode(compressSync(large), 10 * mib).equals(large)).toBe(true);
});

test('damaged snappy is refused or decodes to the claimed length, never beyond', () => {
  const decoder = new SnappyDecoder();
  const good = compressSync(large.subarray(0, 3000));
  fc.assert(
    fc.property(
      fc.nat({ max: good.length - 1 }),
      fc.nat({ max: 255 }),
      fc.nat({ max: 40 }),
      (at, byte, cut) => {
        const bad = Buffer.from(good.subarray(0, good.length - cut));
        bad[at % bad.length] = byte;
        outcome(() => decoder.decode(bad, 4000), 4000);
      },
    ),
    { numRuns: 1500 },
  );
});

test('a snappy length that its bytes cannot hold is refused before memory is taken', () => {
  const decoder = new SnappyDecoder();
  expect(() => decoder.decode(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), 2 ** 40)).toThrow(
    'snappy: corrupt input',
  );
  expect(() => decoder.decode(compressSync(Buffer.alloc(2 * mib)), mib)).toThrow(/request body too large/);
  expect(() => decoder.decode(Buffer.alloc(0), mib)).toThrow('snappy: corrupt input');
  expect(() => decoder.decode(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]), mib)).toThrow(
    'snappy: corrupt input',
  );
});

test('LZ4 frames of the native library decode to what was compressed', () => {
  fc.assert(
    fc.property(compressible, fc.boolean(), (bytes, checked) => {
      const frame = compressFrameSync(bytes, { contentChecksum: checked, blockChecksums: checked });
      expect(lz4DecodeFrame(frame, mib).equals(bytes)).toBe(true);
    }),
    { numRuns: 200 },
  );
  expect(lz4DecodeFrame(compressFrameSync(large), 10 * mib).equals(large)).toBe(true);
});

test('damaged LZ4 is refused or stays within its bound', () => {
  const good = compressFrameSync(large.subarray(0, 3000));
  fc.assert(
    fc.property(
      fc.nat({ max: good.length - 1 }),
      fc.nat({ max: 255 }),
      fc.nat({ max: 40 }),
      (at, byte, cut) => {
        const bad = Buffer.from(good.subarray(0, good.length - cut));
        bad[at % bad.length] = byte;
        outcome(() => lz4DecodeFrame(bad, 8000), 8000);
      },
    ),
    { numRuns: 1500 },
  );
});

test.each([
  ['gzip', gzipSync(large), readJsonBody],
  ['deflate', deflateRawSync(large), readJsonBody],
  ['deflate', deflateSync(large), readJsonBody],
  ['snappy', large, readJsonBody],
  ['', large, readJsonBody],
  ['gzip', gzipSync(large), readOtlpBody],
  ['zstd', zstdCompressSync(large), readOtlpBody],
  ['zstd', inFrames(large), readOtlpBody],
  ['lz4', compressFrameSync(large), readOtlpBody],
] as const)('a body with encoding %j is read', (encoding, body, read) => {
  expect(read(body, encoding, bounds).equals(large)).toBe(true);
});

test('a body of more zstd frames than any sender writes is refused', () => {
  const frame = zstdCompressSync(Buffer.alloc(0));
  const body = (count: number) => Buffer.concat(Array.from({ length: count }, () => frame));
  expect(readOtlpBody(body(4096), 'zstd', bounds)).toHaveLength(0);
  expect(() => readOtlpBody(body(4097), 'zstd', bounds)).toThrow(
    'request body too large: more than 4096 zstd frames',
  );
});

test.each([
  ['gzip', gzipSync(Buffer.alloc(4 * mib)), readJsonBody],
  ['deflate', deflateRawSync(Buffer.alloc(4 * mib)), readJsonBody],
  ['zstd', zstdCompressSync(Buffer.alloc(4 * mib)), readOtlpBody],
  ['zstd', inFrames(Buffer.alloc(4 * mib)), readOtlpBody],
  ['lz4', compressFrameSync(Buffer.alloc(4 * mib)), readOtlpBody],
] as const)('a %s bomb is answered 413', (encoding, body, read) => {
  expect(() => read(body, encoding, bounds)).toThrow(expect.objectContaining({ code: 'bodyTooLarge' }));
});

test.each([
  ['gzip', Buffer.from('{"streams":[]}'), 'gzip: invalid header', readJsonBody],
  ['gzip', gzipSync(large).subarray(0, 100), 'unexpected EOF', readJsonBody],
  ['gzip', flipped(gzipSync(large)), 'gzip: invalid checksum', readJsonBody],
  ['gzip', Buffer.alloc(0), 'EOF', readJsonBody],
  ['deflate', Buffer.alloc(0), 'EOF', readJsonBody],
  ['zstd', Buffer.from('{"a":1}'), 'invalid input: magic number mismatch', readOtlpBody],
  ['zstd', Buffer.from([0x28]), 'unexpected EOF', readOtlpBody],
  [
    'zstd',
    Buffer.concat([zstdCompressSync(large), Buffer.from('junk')]),
    'zstd: invalid input',
    readOtlpBody,
  ],
  ['lz4', Buffer.from('hello'), 'lz4: bad magic number', readOtlpBody],
  ['br', large, 'Content-Encoding "br" not supported', readJsonBody],
  ['br', large, 'unsupported content encoding br: only gzip, lz4 and zstd are supported', readOtlpBody],
] as const)('a broken %s body is refused in words (%#)', (encoding, body, text, read) => {
  expect(() => read(body, encoding, bounds)).toThrow(text);
});

/** Frames of 1000 bytes each. */
function inFrames(bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 1000) {
    frames.push(zstdCompressSync(bytes.subarray(at, at + 1000)));
  }
  return Buffer.concat(frames);
}

/** The checksum at the end is another one. */
function flipped(gzip: Buffer): Buffer {
  gzip[gzip.length - 6] ^= 0xff;
  return gzip;
}

test('of a cut body comes what stands before the cut', () => {
  const whole = gzipSync(large);
  for (const length of [10, 12, 100, whole.length >> 1, whole.length - 9, whole.length - 1]) {
    const { bytes, cutText } = readJson(whole.subarray(0, length), 'gzip', bounds);
    expect(cutText).toBe('unexpected EOF');
    expect(bytes.equals(large.subarray(0, bytes.length))).toBe(true);
  }
  expect(readJson(whole.subarray(0, -1), 'gzip', bounds).bytes.equals(large)).toBe(true);
  const deflated = deflateRawSync(large);
  const { bytes } = readJson(deflated.subarray(0, deflated.length >> 1), 'deflate', bounds);
  expect(bytes.length).toBeGreaterThan(large.length / 4);
});

/** Either bytes within the bound or an error of the catalogue. */
function outcome(decode: () => Buffer, bytesMax: number): void {
  try {
    expect(decode().length).toBeLessThanOrEqual(bytesMax);
  } catch (error) {
    expect(error).toBeInstanceOf(LokiError);
  }
}

test('what a push may become is what is configured, within reason', () => {
  expect(decompressedBytesMaxOf(5000 * mib)).toBe(256 * mib); // Loki's default
  expect(decompressedBytesMaxOf(10 * mib)).toBe(10 * mib);
  expect(decompressedBytesMaxOf(512 * mib)).toBe(512 * mib);
  expect(decompressedBytesMaxOf(100_000 * mib)).toBe(1024 * mib);
});

test.each([
  ['entries', Buffer.from([0x12, 0x00])],
  ['streams', Buffer.from([0x0a, 0x00])],
])('a push of nothing but empty %s ends before they fill the memory', async (what, unit) => {
  const { push } = testDistributor();
  const units = Buffer.alloc(20 * 1024 * 1024, unit);
  // In the one stream's field, or as streams themselves.
  const length = [];
  for (let left = units.length; left > 0; left = Math.floor(left / 128)) {
    length.push((left % 128) | (left >= 128 ? 0x80 : 0));
  }
  const body = what === 'streams' ? units : Buffer.concat([Buffer.from([0x0a, ...length]), units]);
  const headers = new Map([['content-type', 'application/x-protobuf']]);
  const before = process.memoryUsage().rss;
  const answer = await push('t', { body: compressSync(body), headers });
  expect(answer).toMatchObject({
    status: 413,
    body: expect.stringContaining(`request body too large: more than`),
  });
  expect(process.memoryUsage().rss - before).toBeLessThan(1.5e9);
});
