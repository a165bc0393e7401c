/** Protects reused contexts: their frames equal those of a fresh context, after any former use. */
import { randomBytes } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import {
  compressInContext as compressWith,
  contextInputBytesMax,
  decompressInContext,
} from './zstd-contexts.ts';
import { isWholeFrame } from './zstd-frame.ts';

const compressInContext = (raw: Uint8Array, level: number) =>
  compressWith(raw, level, { [constants.ZSTD_c_compressionLevel]: level });

const text = (bytes: number) =>
  Buffer.from('level=info msg="a request ended" n='.repeat(bytes)).subarray(0, bytes);

test.each([1, 3])('level %i: frames follow each other, of all sizes and kinds', (level) => {
  for (const bytes of [
    0,
    1,
    255,
    256,
    257,
    65_791,
    65_792,
    2 ** 17 + 1,
    2 ** 20,
    300,
    contextInputBytesMax,
  ]) {
    for (const raw of [text(bytes), randomBytes(bytes), Buffer.alloc(bytes, 7)]) {
      const frame = compressInContext(raw, level)!;
      expect(isWholeFrame(frame, bytes)).toBe(true);
      expect(zstdDecompressSync(frame).equals(raw)).toBe(true);
      expect(decompressInContext(frame, bytes)?.equals(raw)).toBe(true);
    }
  }
});

test('a frame has memory of its own, as large as it is', () => {
  const [first, second] = [text(5000), randomBytes(5000)].map((raw) => compressInContext(raw, 1)!);
  expect(first.buffer.byteLength).toBe(first.length);
  expect(zstdDecompressSync(first).equals(text(5000))).toBe(true);
  expect(second.buffer).not.toBe(first.buffer);
});

test('the next frame is right after one that is cut anywhere, or damaged anywhere', () => {
  const raw = Buffer.concat([text(3000), randomBytes(64)]);
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  for (const frame of [compressInContext(raw, 1)!, zstdCompressSync(raw, { params })]) {
    expect(decompressInContext(frame, raw.length)?.equals(raw)).toBe(true);
    for (let at = 0; at < frame.length; at++) {
      expect(decompressInContext(frame.subarray(0, at), raw.length)).toBeUndefined();
      const damaged = Buffer.from(frame);
      damaged[at] ^= 0x55;
      decompressInContext(damaged, raw.length);
      expect(decompressInContext(frame, raw.length)?.equals(raw)).toBe(true);
    }
  }
});

test('frames that do not say what they hold, or are several, are left to others', () => {
  const raw = text(1000);
  const frame = compressInContext(raw, 1)!;
  expect(decompressInContext(frame, 999)).toBeUndefined();
  expect(decompressInContext(Buffer.concat([frame, frame]), 2000)).toBeUndefined();
  expect(decompressInContext(Buffer.concat([frame, Buffer.of(0)]), 1000)).toBeUndefined();
  const params = { [constants.ZSTD_c_contentSizeFlag]: 0 };
  expect(decompressInContext(zstdCompressSync(raw, { params }), 1000)).toBeUndefined();
  expect(compressInContext(Buffer.alloc(contextInputBytesMax + 1), 1)).toBeUndefined();
});
