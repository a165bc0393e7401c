import { gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { LokiError } from '@loki/model';
import { lz4DecodeFrame } from './lz4.ts';

/** How much a push may weigh, before and after decompression. */
export interface BodyLimits {
  readonly recvBytesMax: number;
  readonly decompressedBytesMax: number;
}

/** @throws LokiError 413 when the body as it came is larger than the server takes */
export function checkBodySize(body: Buffer, limits: BodyLimits): void {
  if (body.length > limits.recvBytesMax)
    throw new LokiError(
      'bodyTooLarge',
      `request body too large: ${body.length} bytes, limit ${limits.recvBytesMax}`,
    );
}

/** A JSON push's bytes. `snappy` is a name that agents send for bodies that are not; Loki reads them as they are. */
export function readJsonBody(body: Buffer, encoding: string, limits: BodyLimits): Buffer {
  switch (encoding) {
    case '':
    case 'snappy':
      return body;
    case 'gzip':
      return gunzip(body, limits);
    case 'deflate':
      return inflate(body, limits);
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
      return bounded(limits, 'zstd: invalid input', (maxOutputLength) =>
        zstdDecompressSync(body, { maxOutputLength }),
      );
    case 'lz4':
      return lz4DecodeFrame(body, limits.decompressedBytesMax);
    default:
      throw new LokiError(
        'badRequest',
        `unsupported content encoding ${encoding}: only gzip, lz4 and zstd are supported`,
      );
  }
}

function gunzip(body: Buffer, limits: BodyLimits): Buffer {
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  if (body.length < 10) throw new LokiError('badRequest', 'unexpected EOF');
  if (body[0] !== 0x1f || body[1] !== 0x8b || body[2] !== 8)
    throw new LokiError('badRequest', 'gzip: invalid header');
  return bounded(limits, undefined, (maxOutputLength) => gunzipSync(body, { maxOutputLength }));
}

/** HTTP's `deflate` should be zlib, but many senders (and Go's reader) mean the raw form: both are taken. */
function inflate(body: Buffer, limits: BodyLimits): Buffer {
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const hasZlibHeader =
    body.length >= 2 && (body[0] & 0x0f) === 8 && body[0] >> 4 <= 7 && (body[0] * 256 + body[1]) % 31 === 0;
  const decode = hasZlibHeader ? inflateSync : inflateRawSync;
  return bounded(limits, undefined, (maxOutputLength) => decode(body, { maxOutputLength }));
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
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new LokiError(
        'bodyTooLarge',
        `request body too large: more than ${limits.decompressedBytesMax} bytes decompressed`,
        { cause },
      );
    const text = code === 'Z_BUF_ERROR' ? 'unexpected EOF' : (damageText ?? `corrupt input: ${message}`);
    throw new LokiError('badRequest', text, { cause });
  }
}
