/** Protects frames that decoders skip: their content is found among others, and damage is refused. */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BytesError } from './byte-reader.ts';
import { skippedContent, skippedFrame, zstdFrameEnd } from './zstd-frame.ts';

const content = Buffer.from('an annex');
/** A frame of another mark, as a later version may write. */
const other = Buffer.concat([Buffer.of(0x57, 0x2a, 0x4d, 0x18, 3, 0, 0, 0), Buffer.from('abc')]);

test('a decoder skips it, and its content is found behind the frame and other skipped frames', () => {
  const raw = Buffer.from('level=info '.repeat(50));
  const frame = zstdCompressSync(raw);
  const all = Buffer.concat([frame, other, skippedFrame(content), other]);
  expect(zstdDecompressSync(all).equals(raw)).toBe(true);
  const end = zstdFrameEnd(all)!;
  expect(end).toBe(frame.length);
  expect(skippedContent(all.subarray(end))!.equals(content)).toBe(true);
  expect(skippedContent(other)).toBeUndefined();
  expect(skippedContent(Buffer.alloc(0))).toBeUndefined();
});

test('a cut frame, and one that is not to be skipped, are refused', () => {
  const frames = Buffer.concat([other, skippedFrame(content)]);
  for (let size = 1; size < frames.length; size++) {
    if (size === other.length) continue;
    expect(() => skippedContent(frames.subarray(0, size))).toThrow(BytesError);
  }
  expect(() => skippedContent(zstdCompressSync(content))).toThrow(BytesError);
});
