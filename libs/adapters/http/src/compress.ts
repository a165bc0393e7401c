/** Compression of HTTP answers: step *respond* of a query. */
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

const gzipAsync = promisify(gzip);

/** Smaller answers are not compressed: it would cost more than it saves. */
const bytesMin = 1400;

const compressible = /^(?:application\/(?:json|x-ndjson|yaml)|text\/)/;

/** Whether to compress an answer of this type and size for a client with this Accept-Encoding. */
export function wantsGzip(
  acceptEncoding: string | undefined,
  contentType: string | undefined,
  bytes: number,
): boolean {
  if (bytes < bytesMin || acceptEncoding === undefined || contentType === undefined) return false;
  if (!compressible.test(contentType)) return false;
  for (const part of acceptEncoding.split(',')) {
    const [coding, ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (coding !== 'gzip' && coding !== '*') continue;
    return !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  }
  return false;
}

/** Gzip at the fastest level, on Node's thread pool: a large answer must not block the event loop. */
export function gzipBody(body: Uint8Array | string): Promise<Buffer> {
  return gzipAsync(body, { level: constants.Z_BEST_SPEED });
}
