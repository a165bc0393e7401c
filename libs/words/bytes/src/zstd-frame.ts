/** Borders of zstd frames (RFC 8878): steps *batch* and *flush* of a written line, *fetch* of a query. */
import { BytesError } from './byte-reader.ts';

const magic = 0xfd2fb528;
/** The lowest of the 16 marks of frames that decoders skip. */
const skippedMagic = 0x184d2a50;
/** Mark and length. */
const skippedHeadBytes = 8;

/**
 * Whether the bytes are one frame from its begin to its end, and say that they hold `rawBytes`.
 */
export function isWholeFrame(bytes: Uint8Array, rawBytes: number): boolean {
  const frame = frameOf(bytes);
  return frame !== undefined && frame.rawBytes === rawBytes && frame.end === bytes.length;
}

/** The end of the first frame; undefined: it does not state the size of its content, or is cut. */
export function zstdFrameEnd(bytes: Uint8Array): number | undefined {
  return frameOf(bytes)?.end;
}

/** A frame that holds any bytes, and that every decoder skips. */
export function skippedFrame(content: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(skippedHeadBytes + content.length);
  frame.writeUInt32LE(skippedMagic, 0);
  frame.writeUInt32LE(content.length, 4);
  frame.set(content, skippedHeadBytes);
  return frame;
}

/**
 * The content of the first of the skipped frames that has the mark of `skippedFrame`; undefined: none has.
 *
 * @param frames frames that follow each other, all of them to be skipped
 * @throws BytesError when they are anything else
 */
export function skippedContent(frames: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.length);
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < skippedHeadBytes) throw new BytesError('a skipped frame is cut');
    const mark = bytes.readUInt32LE(at);
    const start = at + skippedHeadBytes;
    const end = start + bytes.readUInt32LE(at + 4);
    if (mark >>> 4 !== skippedMagic >>> 4) throw new BytesError('a frame is not to be skipped');
    if (end > bytes.length) throw new BytesError('a skipped frame is cut');
    if (mark === skippedMagic) return bytes.subarray(start, end);
    at = end;
  }
  return undefined;
}

/** End and content size of the first frame. */
function frameOf(bytes: Uint8Array): { readonly end: number; readonly rawBytes: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 6 || view.getUint32(0, true) !== magic) return undefined;
  const descriptor = bytes[4];
  const isSingleSegment = (descriptor & 0x20) !== 0;
  // No size of the content, a dictionary, or a reserved bit.
  if ((!isSingleSegment && descriptor >>> 6 === 0) || (descriptor & 0x0b) !== 0) return undefined;
  let at = isSingleSegment ? 5 : 6;
  const sizeBytes = 1 << (descriptor >>> 6);
  if (at + sizeBytes > bytes.length) return undefined;
  const rawBytes = readSize(view, at, sizeBytes);
  at += sizeBytes;
  for (let isLast = false; !isLast;) {
    if (at + 3 > bytes.length) return undefined;
    const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    isLast = (header & 1) === 1;
    const isRepeated = ((header >>> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : header >>> 3);
  }
  const end = at + ((descriptor & 4) === 0 ? 0 : 4);
  return end > bytes.length ? undefined : { end, rawBytes };
}

function readSize(view: DataView, at: number, sizeBytes: number): number {
  if (sizeBytes === 1) return view.getUint8(at);
  // Sizes below 256 take one byte.
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  if (sizeBytes === 4) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}
