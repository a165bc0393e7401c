import type { IncomingMessage } from 'node:http';
import { LokiError } from '@loki/model';

/** Bytes of bodies that are being received, all requests together. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False when that is too much now. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Whether the headers announce a body. */
export function hasBody(message: IncomingMessage): boolean {
  const { headers } = message;
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

/**
 * The whole body, as it came over the wire. Memory follows what has arrived, never what the client claims.
 *
 * @param budget what is taken from it is the caller's to give back: `body.length` bytes on success, none on
 *   failure
 * @throws LokiError 413 beyond `bytesMax`, 503 beyond the budget, 499 when the client leaves
 */
export function readBody(message: IncomingMessage, bytesMax: number, budget: BodyBudget): Promise<Buffer> {
  const lengthText = message.headers['content-length'];
  if (lengthText !== undefined && Number(lengthText) > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (error: LokiError): void => {
      message.off('data', onData);
      budget.give(bytes);
      bytes = 0;
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      if (bytes + chunk.length > bytesMax) {
        fail(tooLarge(bytesMax));
      } else if (budget.take(chunk.length)) {
        bytes += chunk.length;
        chunks.push(chunk);
      } else {
        fail(new LokiError('overloaded', 'too many bytes in flight, try again later'));
      }
    };
    message.on('data', onData);
    message.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes)));
    message.once('close', () => {
      if (!message.complete) fail(new LokiError('clientGone', 'the request was cancelled by the client'));
    });
    // 'close' follows and says the same; without a listener the error would end the process.
    message.once('error', () => undefined);
  });
}

function tooLarge(bytesMax: number): LokiError {
  return new LokiError('bodyTooLarge', `request body too large, limit: ${bytesMax} bytes`);
}
