import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { HttpResponse, Timers } from '@loki/ports';

interface WriteStreamOptions {
  readonly gzip: boolean;
  readonly timers: Timers;
  /** A client that takes nothing for so long loses the connection; 0: it may pause for ever. */
  readonly stallMs: number;
}

/**
 * Sends pieces as the client takes them: the next one is asked for only when the last has left for the
 * network. Pieces that the client did not take before it went away are never made.
 *
 * @returns bytes of the body, packed ones where it is packed
 * Rejects with what the pieces failed with, after the connection is cut.
 */
export async function writeStream(
  response: ServerResponse,
  answer: HttpResponse,
  pieces: AsyncIterable<Uint8Array | string>,
  options: WriteStreamOptions,
): Promise<number> {
  const packing = options.gzip
    ? { 'content-encoding': 'gzip', vary: 'Accept-Encoding', ...answer.headers }
    : answer.headers;
  if (!response.destroyed) response.writeHead(answer.status, packing);
  let bytes = 0;
  let sink: Writable = response;
  if (options.gzip) {
    // Each piece leaves at once: the client is not to wait for a buffer to fill.
    const pack = createGzip({ level: constants.Z_BEST_SPEED, flush: constants.Z_SYNC_FLUSH });
    pack.on('data', (chunk: Buffer) => (bytes += chunk.length));
    pack.pipe(response, { end: false });
    response.once('close', () => pack.destroy());
    sink = pack;
  }
  try {
    for await (const piece of pieces) {
      if (response.destroyed) break;
      if (!options.gzip) bytes += Buffer.byteLength(piece);
      if (!sink.write(piece)) await settled(sink, 'drain', response, options);
      if (response.destroyed) break;
    }
    await endPacking(sink, response, options);
    response.end();
    if (!response.writableFinished) await settled(response, 'finish', response, options);
  } catch (error) {
    if (response.destroyed) return bytes;
    // Written bytes still go out; the end of the body, which is missing, tells the client.
    await endPacking(sink, response, options);
    response.socket?.destroySoon();
    throw error;
  }
  return bytes;
}

/** Resolves when all that was packed has been handed to the response. */
async function endPacking(
  sink: Writable,
  response: ServerResponse,
  options: WriteStreamOptions,
): Promise<void> {
  if (sink === response || response.destroyed) return;
  const ended = settled(sink, 'end', response, options);
  sink.end();
  await ended;
}

/** Resolves when `event` comes, or the client is gone or given up. */
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
