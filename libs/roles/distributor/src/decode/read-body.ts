/** Checks and decompresses the body of a push, within bounds: step *decode* of a written line. */
import { constants, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { LokiError } from '@loki/model';
import { chunkSizeFor, cutBodyText, gunzip, gzipRatioMax } from './gunzip.ts';
import type { Decompressed, ZlibOutcome } from './gunzip.ts';
import { lz4DecodeFrame } from './lz4.ts';
import { claimedBytes } from './snappy-decoder.ts';

/** Bounds on a push, before and after decompression. */
export interface BodyBounds {
  readonly recvBytesMax: number;
  readonly decompressedBytesMax: number;
}

/** zlib's faults in Go's words. */
const goTexts = new Map([
  ['incorrect data check', 'gzip: invalid checksum'],
  ['incorrect length check', 'gzip: invalid checksum'],
  ['incorrect header check', 'gzip: invalid header'],
]);

/** Magic number of a zstd frame. */
const zstdMagic = 0xfd2fb528;

/** Frames of one body: each costs 20 µs, however small it is. Senders write one, or one for each flush. */
const zstdFramesMax = 4096;

/** @throws LokiError 413 when the received body is larger than the server accepts */
export function checkBodySize(body: Buffer, bounds: BodyBounds): void {
  if (body.length > bounds.recvBytesMax) {
    throw new LokiError(
      'bodyTooLarge',
      `request body too large: ${body.length} bytes, limit ${bounds.recvBytesMax}`,
    );
  }
}

/** Bytes of header and trailer. */
const gzipBytesMin = 18;

/**
 * The decompressed size that a body claims; its own size where the format claims none, or an impossible one.
 *
 * @param isSnappy a body without an encoding is a snappy block
 */
export function expectedBytesOf(body: Buffer, encoding: string, isSnappy: boolean): number {
  if (isSnappy && (encoding === '' || encoding === 'snappy')) {
    return Math.max(claimedBytes(body), body.length);
  }
  if (encoding !== 'gzip' || body.length < gzipBytesMin || body.readUInt16BE(0) !== 0x1f8b) {
    return body.length;
  }
  const claimed = body.readUInt32LE(body.length - 4);
  return claimed > body.length * gzipRatioMax ? body.length : Math.max(claimed, body.length);
}

/** Inline decoders have refused larger bodies already, so this body has more. */
const inlineTimes = 4;

/**
 * Room for the first attempt: the size that the body claims, or an estimate. A decoder stops at its room, so
 * a false claim costs another attempt, and no uncounted memory.
 */
export function firstRoomOf(
  encoding: string,
  sizes: { readonly expected: number; readonly inline: number },
): number {
  const isSizeKnown = encoding === '' || encoding === 'gzip' || encoding === 'snappy';
  return isSizeKnown ? sizes.expected : Math.max(sizes.expected, inlineTimes * sizes.inline);
}

/**
 * The next attempt has this many times the room: all attempts together cost a third more than the last one.
 */
export const roomGrowth = 4;

/** The decompressed bytes exceed their room. */
export function isBeyondRoom(error: unknown): boolean {
  return (
    error instanceof LokiError &&
    error.code === 'bodyTooLarge' &&
    error.message.includes('bytes decompressed')
  );
}

/**
 * Bytes of a JSON push. Agents declare `snappy` for bodies without it; Loki reads those as they are. Loki
 * also decodes while it decompresses: a push that is complete before a fault of the body is accepted.
 */
export function readJsonBody(body: Buffer, encoding: string, bounds: BodyBounds): Decompressed {
  if (encoding === '' || encoding === 'snappy') return { bytes: body };
  return decompressPush(body, encoding, bounds);
}

/**
 * The snappy block of a protobuf push. `snappy` means that block itself; senders that compress every body
 * wrap it in gzip or deflate.
 */
export function readSnappyBody(body: Buffer, encoding: string, bounds: BodyBounds): Buffer {
  if (encoding === '' || encoding === 'snappy') return body;
  return whole(decompressPush(body, encoding, bounds));
}

/** Encodings of both push formats. */
function decompressPush(body: Buffer, encoding: string, bounds: BodyBounds): Decompressed {
  switch (encoding) {
    case 'gzip':
      return bounded(bounds, undefined, (bytesMax) => gunzip(body, bytesMax));
    case 'deflate':
      return inflate(body, bounds);
    default:
      throw new LokiError('badRequest', `Content-Encoding ${JSON.stringify(encoding)} not supported`);
  }
}

/** Bytes of a body that must be intact to its end. */
function whole({ bytes, cutText }: Decompressed): Buffer {
  if (cutText !== undefined) throw new LokiError('badRequest', cutText);
  return bytes;
}

/** An OTLP request's bytes. */
export function readOtlpBody(body: Buffer, encoding: string, bounds: BodyBounds): Buffer {
  switch (encoding) {
    case '':
      return body;
    case 'gzip':
      return whole(bounded(bounds, undefined, (bytesMax) => gunzip(body, bytesMax)));
    case 'zstd':
      if (body.length < 4) return emptyBodyOrThrow(body);
      if (body.readUInt32LE(0) !== zstdMagic) {
        throw new LokiError('badRequest', 'invalid input: magic number mismatch');
      }
      return bounded(bounds, 'zstd: invalid input', (maxOutputLength) => zstdFrames(body, maxOutputLength));
    case 'lz4':
      if (body.length < 4) return emptyBodyOrThrow(body);
      return lz4DecodeFrame(body, bounds.decompressedBytesMax);
    default:
      throw new LokiError(
        'badRequest',
        `unsupported content encoding ${encoding}: only gzip, lz4 and zstd are supported`,
      );
  }
}

/** An empty body is an empty push; fewer than 4 bytes are a truncated frame. */
function emptyBodyOrThrow(body: Buffer): Buffer {
  if (body.length === 0) return body;
  throw new LokiError('badRequest', cutBodyText);
}

/** Node reads one frame; a body may have several. */
function zstdFrames(body: Buffer, bytesMax: number): Buffer {
  const frames: Buffer[] = [];
  let remaining = bytesMax;
  for (let at = 0; at < body.length;) {
    if (frames.length === zstdFramesMax) {
      throw new LokiError('bodyTooLarge', `request body too large: more than ${zstdFramesMax} zstd frames`);
    }
    const chunkSize = chunkSizeFor(body.length - at);
    const options = { maxOutputLength: Math.max(1, remaining), chunkSize, info: true };
    const { buffer, engine } = zstdDecompressSync(body.subarray(at), options) as unknown as ZlibOutcome;
    frames.push(buffer);
    remaining -= buffer.length;
    at += engine.bytesWritten;
  }
  return frames.length === 1 ? frames[0] : Buffer.concat(frames);
}

/**
 * HTTP's `deflate` should be zlib, but many senders (and Go's reader) mean the raw form: both are accepted.
 */
function inflate(body: Buffer, bounds: BodyBounds): Decompressed {
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const hasZlibHeader =
    body.length >= 2 && (body[0] & 0x0f) === 8 && body[0] >> 4 <= 7 && (body[0] * 256 + body[1]) % 31 === 0;
  const decode = hasZlibHeader ? inflateSync : inflateRawSync;
  const chunkSize = chunkSizeFor(body.length);
  try {
    const all = (maxOutputLength: number) => decode(body, { chunkSize, maxOutputLength });
    return { bytes: bounded(bounds, undefined, all) };
  } catch (error) {
    if (!(error instanceof LokiError) || error.message !== cutBodyText) throw error;
    const finishFlush = constants.Z_SYNC_FLUSH;
    const part = (maxOutputLength: number) => decode(body, { chunkSize, finishFlush, maxOutputLength });
    return { bytes: bounded(bounds, undefined, part), cutText: cutBodyText };
  }
}

/** Runs a decompressor with its bound, and turns its failures into errors of the catalogue. */
function bounded<Output>(
  bounds: BodyBounds,
  damageText: string | undefined,
  decode: (maxOutputLength: number) => Output,
): Output {
  try {
    return decode(bounds.decompressedBytesMax);
  } catch (cause) {
    if (cause instanceof LokiError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new LokiError(
        'bodyTooLarge',
        `request body too large: more than ${bounds.decompressedBytesMax} bytes decompressed`,
        { cause },
      );
    }
    const text =
      code === 'Z_BUF_ERROR'
        ? cutBodyText
        : (goTexts.get(message) ?? damageText ?? `corrupt input: ${message}`);
    throw new LokiError('badRequest', text, { cause });
  }
}
