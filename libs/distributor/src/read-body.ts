import { constants, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import type { ZlibOptions } from 'node:zlib';
import { LokiError } from '@loki/model';
import { lz4DecodeFrame } from './lz4.ts';

/** How much a push may weigh, before and after decompression. */
export interface BodyLimits {
  readonly recvBytesMax: number;
  readonly decompressedBytesMax: number;
}

/** Go's word for a body that ends too soon. */
const cutText = 'unexpected EOF';

/** What zlib says, in Go's words. */
const goTexts = new Map([
  ['incorrect data check', 'gzip: invalid checksum'],
  ['incorrect length check', 'gzip: invalid checksum'],
  ['incorrect header check', 'gzip: invalid header'],
]);

/** The number that a zstd frame begins with. */
const zstdMagic = 0xfd2fb528;

/** @throws LokiError 413 when the body as it came is larger than the server takes */
export function checkBodySize(body: Buffer, limits: BodyLimits): void {
  if (body.length > limits.recvBytesMax)
    throw new LokiError(
      'bodyTooLarge',
      `request body too large: ${body.length} bytes, limit ${limits.recvBytesMax}`,
    );
}

/** Bytes of a push, and why they end when there should be more. */
export interface JsonBody {
  readonly bytes: Buffer;
  readonly cutText?: string;
}

/**
 * A JSON push's bytes. `snappy` is a name that agents send for bodies that are not; Loki reads them as they are. It
 * also reads while it decompresses: what of a cut body can be had is a push if it is complete.
 */
export function readJsonBody(body: Buffer, encoding: string, limits: BodyLimits): JsonBody {
  switch (encoding) {
    case '':
    case 'snappy':
      return { bytes: body };
    case 'gzip':
      return orWhatThereIs(limits, (options) => {
        checkGzipHeader(body);
        return gunzipSync(body, options);
      });
    case 'deflate':
      return orWhatThereIs(limits, (options) => inflate(body, options));
    default:
      throw new LokiError('badRequest', `Content-Encoding ${JSON.stringify(encoding)} not supported`);
  }
}

/** An OTLP request's bytes. */
export function readOtlpBody(body: Buffer, encoding: string, limits: BodyLimits): Buffer {
  switch (encoding) {
    case '':
      return body;
    case 'gzip':
      return gunzip(body, limits);
    case 'zstd':
      if (body.length < 4) return nothing(body);
      if (body.readUInt32LE(0) !== zstdMagic)
        throw new LokiError('badRequest', 'invalid input: magic number mismatch');
      return bounded(limits, 'zstd: invalid input', (maxOutputLength) => zstdFrames(body, maxOutputLength));
    case 'lz4':
      if (body.length < 4) return nothing(body);
      return lz4DecodeFrame(body, limits.decompressedBytesMax);
    default:
      throw new LokiError(
        'badRequest',
        `unsupported content encoding ${encoding}: only gzip, lz4 and zstd are supported`,
      );
  }
}

/** A body without a single frame holds nothing, unless it is the start of one. */
function nothing(body: Buffer): Buffer {
  if (body.length === 0) return body;
  throw new LokiError('badRequest', cutText);
}

/** Node reads one frame; a body may be of several. */
function zstdFrames(body: Buffer, bytesMax: number): Buffer {
  const frames: Buffer[] = [];
  let left = bytesMax;
  for (let at = 0; at < body.length;) {
    const options = { maxOutputLength: Math.max(1, left), info: true };
    const { buffer, engine } = zstdDecompressSync(body.subarray(at), options) as unknown as ZstdOutcome;
    frames.push(buffer);
    left -= buffer.length;
    at += engine.bytesWritten;
  }
  return frames.length === 1 ? frames[0] : Buffer.concat(frames);
}

/** What Node gives when asked for `info`. */
interface ZstdOutcome {
  readonly buffer: Buffer;
  /** Bytes of the input that were the frame's. */
  readonly engine: { readonly bytesWritten: number };
}

type Decode = (options: ZlibOptions) => Buffer;

/** What `decode` yields; of a body that was cut, what comes before the cut. */
function orWhatThereIs(limits: BodyLimits, decode: Decode): JsonBody {
  try {
    return { bytes: bounded(limits, undefined, (maxOutputLength) => decode({ maxOutputLength })) };
  } catch (error) {
    if (!(error instanceof LokiError) || error.message !== cutText) throw error;
    const options = { finishFlush: constants.Z_SYNC_FLUSH };
    const part = (maxOutputLength: number) => decode({ ...options, maxOutputLength });
    return { bytes: bounded(limits, undefined, part), cutText };
  }
}

function gunzip(body: Buffer, limits: BodyLimits): Buffer {
  checkGzipHeader(body);
  return bounded(limits, undefined, (maxOutputLength) => gunzipSync(body, { maxOutputLength }));
}

function checkGzipHeader(body: Buffer): void {
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  if (body.length < 10) throw new LokiError('badRequest', 'unexpected EOF');
  if (body[0] !== 0x1f || body[1] !== 0x8b || body[2] !== 8)
    throw new LokiError('badRequest', 'gzip: invalid header');
}

/** HTTP's `deflate` should be zlib, but many senders (and Go's reader) mean the raw form: both are taken. */
function inflate(body: Buffer, options: ZlibOptions): Buffer {
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const hasZlibHeader =
    body.length >= 2 && (body[0] & 0x0f) === 8 && body[0] >> 4 <= 7 && (body[0] * 256 + body[1]) % 31 === 0;
  return (hasZlibHeader ? inflateSync : inflateRawSync)(body, options);
}

/** Runs a decompressor with its bound, and says what failed in words of our own catalogue. */
function bounded(
  limits: BodyLimits,
  damageText: string | undefined,
  decode: (maxOutputLength: number) => Buffer,
): Buffer {
  try {
    return decode(limits.decompressedBytesMax);
  } catch (cause) {
    if (cause instanceof LokiError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new LokiError(
        'bodyTooLarge',
        `request body too large: more than ${limits.decompressedBytesMax} bytes decompressed`,
        { cause },
      );
    const text =
      code === 'Z_BUF_ERROR' ? cutText : (goTexts.get(message) ?? damageText ?? `corrupt input: ${message}`);
    throw new LokiError('badRequest', text, { cause });
  }
}
