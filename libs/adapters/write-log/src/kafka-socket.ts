/** Stands before the Kafka client's own reader of a connection: what no broker sends ends the connection. */
import type net from 'node:net';
import { mib } from '@loki/model';

/**
 * The largest answer of a broker: a fetch asks for 8 MiB, and a single record may be larger than what was
 * asked for.
 */
const answerBytesMax = 128 * mib;
const sizeBytes = 4;

/**
 * The client waits for as many bytes as an answer announces, reads a negative number of them for ever, and
 * throws in an event when an answer is too short to be one. Here each answer's announced size is looked at
 * before the client sees it, and its exceptions end the connection.
 */
export function guardSocket(socket: net.Socket): void {
  const on = socket.on.bind(socket);
  socket.on = ((event: string, listener: (...args: unknown[]) => void) =>
    on(event, event === 'data' ? guarded(socket, listener) : listener)) as typeof socket.on;
}

function guarded(socket: net.Socket, listener: (chunk: Buffer) => void): (chunk: Buffer) => void {
  const sizes = new AnswerSizes();
  return (chunk) => {
    try {
      sizes.take(chunk);
      listener.call(socket, chunk);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
}

/** Follows answers by the size before each. */
class AnswerSizes {
  /** Bytes of the present answer that are still to come. */
  #remaining = 0;
  /** The beginning of a size that came in pieces. */
  #size: number[] = [];

  /** @throws Error for a size that no answer has */
  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#remaining > 0) {
        const bytes = Math.min(this.#remaining, chunk.length - at);
        this.#remaining -= bytes;
        at += bytes;
        continue;
      }
      this.#size.push(chunk[at++]);
      if (this.#size.length < sizeBytes) continue;
      const size = Buffer.from(this.#size).readInt32BE();
      if (size < 0 || size > answerBytesMax) throw new Error(`an answer of ${size} bytes: no Kafka broker`);
      this.#remaining = size;
      this.#size = [];
    }
  }
}
