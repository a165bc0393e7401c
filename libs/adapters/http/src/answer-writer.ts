/** Writes answers to requests, compressed when the client wants it: step *respond*. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { freeMemory } from '@loki/model';
import type { HttpResponse, Timers } from '@loki/ports';
import { gzipBody, wantsGzip } from './compress.ts';
import type { Failures } from './failures.ts';
import { writeStream } from './write-stream.ts';

interface AnswerWriterDeps {
  readonly compressResponses: boolean;
  /** Most time for the client to accept a ready answer; 0: no bound. */
  readonly writeTimeoutMs: number;
  readonly timers: Timers;
  readonly failures: Failures;
  /** Whether the answer ends its connection. */
  readonly isLast: (message: IncomingMessage) => boolean;
}

/** A request and the answer's way to its client. */
interface Exchange {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  /** The rest of a body is read and dropped, so that the connection stays. */
  readonly isBodyPassed: boolean;
}

/** Sends the answers of a server. */
export class AnswerWriter {
  readonly #deps: AnswerWriterDeps;

  constructor(deps: AnswerWriterDeps) {
    this.#deps = deps;
  }

  /** Sends the answer; resolves with the bytes of its body. */
  async write(exchange: Exchange, answer: HttpResponse): Promise<number> {
    const { message, response } = exchange;
    const { release } = answer;
    if (release && response.closed) release();
    else if (release) response.once('close', release);
    if (answer.stream) return this.#writeStream(exchange, answer, answer.stream);
    if (response.destroyed) return 0;
    const headers: Record<string, string | number> = { ...answer.headers };
    let body = answer.body;
    let bytes = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const isPlain = headers['content-encoding'] === undefined;
    if (body !== undefined && isPlain && this.#wantsCompression(message, answer, bytes)) {
      body = await gzipBody(body);
      bytes = body.length;
      headers['content-encoding'] = 'gzip';
      headers['vary'] = 'Accept-Encoding';
    }
    if (answer.status !== 204 && answer.status !== 304) headers['content-length'] = bytes;
    // The rest of a refused body is not read just to keep the connection, unless it is short.
    const isCut = !message.complete && !exchange.isBodyPassed;
    if (isCut || this.#deps.isLast(message)) headers['connection'] = 'close';
    response.writeHead(answer.status, headers);
    response.end(body);
    if (!message.complete && message.listenerCount('data') === 0) passBody(message);
    if (!response.writableFinished && response.writableLength > 0) this.#boundWriting(response);
    return bytes;
  }

  async #writeStream(
    { message, response }: Exchange,
    answer: HttpResponse,
    pieces: NonNullable<HttpResponse['stream']>,
  ): Promise<number> {
    const { timers, writeTimeoutMs } = this.#deps;
    const gzip = this.#wantsCompression(message, answer, Infinity);
    try {
      return await writeStream(response, answer, pieces, { gzip, timers, stallMs: writeTimeoutMs });
    } catch (error) {
      this.#deps.failures.cutShort(message.url ?? '', error);
      return 0;
    }
  }

  #wantsCompression({ headers }: IncomingMessage, answer: HttpResponse, bytes: number): boolean {
    if (!this.#deps.compressResponses) return false;
    return wantsGzip(headers['accept-encoding'], answer.headers?.['content-type'], bytes);
  }

  /** Closes the connection of a client that does not accept its answer. */
  #boundWriting(response: ServerResponse): void {
    const { writeTimeoutMs, timers } = this.#deps;
    if (writeTimeoutMs <= 0) return;
    const timer = timers.after(writeTimeoutMs, () => response.destroy());
    response.once('close', () => timer.cancel());
  }
}

/** Drops a body. Pieces of it arrive until the client reads the answer: each is memory until it is freed. */
function passBody(message: IncomingMessage): void {
  message.on('data', freeMemory).resume();
}
