/** Guards the Kafka client against hostile brokers: an invalid answer ends the connection. */
import type net from 'node:net';
import { mib } from '@loki/model';

/** The largest answer of a broker: a fetch asks for 8 MiB, but a single record may be larger. */
const answerBytesMax = 128 * mib;
const sizeBytes = 4;

/**
 * The client waits for as many bytes as an answer announces, loops without end on a negative size, and throws
 * in an event when an answer is too short. This function checks the announced size of each answer before the
 * client reads it, and turns the client's exceptions into the end of the connection.
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

/** Tracks answers by the size before each. */
class AnswerSizes {
  /** Bytes of the current answer that have not arrived yet. */
  #remaining = 0;
  /** The first bytes of a size that arrives in pieces. */
  #size: number[] = [];

  /** @throws Error for an impossible size */
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
