/** Writes streamed answers at the client's speed: step *respond* of a query. */
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { HttpResponse, Timers } from '@loki/ports';

interface WriteStreamOptions {
  readonly gzip: boolean;
  readonly timers: Timers;
  /** A client that accepts nothing for this time loses the connection; 0: no bound. */
  readonly stallMs: number;
}

/**
 * Sends pieces at the client's speed: the next one is requested only when the last one has been written to
 * the network. After the client goes away no further pieces are computed.
 *
 * @returns number of sent bytes of the body. Rejects with the failure of the pieces, after the connection is
 *   cut.
 */
export async function writeStream(
  response: ServerResponse,
  answer: HttpResponse,
  pieces: AsyncIterable<Uint8Array | string>,
  options: WriteStreamOptions,
): Promise<number> {
  const headers = options.gzip
    ? { 'content-encoding': 'gzip', vary: 'Accept-Encoding', ...answer.headers }
    : answer.headers;
  if (!response.destroyed) response.writeHead(answer.status, headers);
  let bytes = 0;
  let sink: Writable = response;
  if (options.gzip) {
    // Each piece is flushed at once: the client should not wait for a full buffer.
    const gzip = createGzip({ level: constants.Z_BEST_SPEED, flush: constants.Z_SYNC_FLUSH });
    gzip.on('data', (chunk: Buffer) => (bytes += chunk.length));
    gzip.pipe(response, { end: false });
    response.once('close', () => gzip.destroy());
    sink = gzip;
  }
  try {
    for await (const piece of pieces) {
      if (response.destroyed) break;
      if (!options.gzip) bytes += Buffer.byteLength(piece);
      if (!sink.write(piece)) await settled(sink, 'drain', response, options);
      if (response.destroyed) break;
    }
    await endCompression(sink, response, options);
    response.end();
    if (!response.writableFinished) await settled(response, 'finish', response, options);
  } catch (error) {
    if (response.destroyed) return bytes;
    // Written bytes are still sent; the missing end of the body shows the failure to the client.
    await endCompression(sink, response, options);
    response.socket?.destroySoon();
    throw error;
  }
  return bytes;
}

/** Resolves when all compressed bytes have been passed to the response. */
async function endCompression(
  sink: Writable,
  response: ServerResponse,
  options: WriteStreamOptions,
): Promise<void> {
  if (sink === response || response.destroyed) return;
  const endEvent = settled(sink, 'end', response, options);
  sink.end();
  await endEvent;
}

/**
 * Resolves at `event`, or when the connection is closed: by its client, or after `stallMs` without the event.
 */
function settled(
  sink: Writable,
  event: 'drain' | 'end' | 'finish',
  response: ServerResponse,
  { timers, stallMs }: WriteStreamOptions,
): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = stallMs > 0 ? timers.after(stallMs, () => response.destroy()) : undefined;
    const done = (): void => {
      timer?.cancel();
      sink.off(event, done);
      response.off('close', done);
      resolve();
    };
    sink.once(event, done);
    response.once('close', done);
  });
}
