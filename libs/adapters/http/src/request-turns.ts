import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Requests that may wait on a connection behind the one that is served. Clients that send ahead at all send a
 * few; Node reads up to 64 KiB at once, which is some thousand requests.
 */
const waitingMax = 64;

interface Line {
  isBusy: boolean;
  readonly waiting: (() => void)[];
  isFull: boolean;
}

/**
 * One request at a time on a connection, in their order. Node hands out all requests that it has read, and
 * would have them all served at once, for a client that reads no answer or has gone.
 */
export class RequestTurns {
  readonly #lines = new WeakMap<Duplex, Line>();

  /**
   * Calls `serve` when the client has taken the answers before, and never when it has gone until then. The
   * turn ends with the response.
   */
  take(message: IncomingMessage, response: ServerResponse, serve: () => void): void {
    const { socket } = message;
    const line = this.#lineOf(socket);
    if (line.isFull) return;
    const begin = (): void => {
      line.isBusy = true;
      response.once('close', () => {
        line.isBusy = false;
        if (!socket.destroyed) line.waiting.shift()?.();
      });
      serve();
    };
    if (!line.isBusy) return begin();
    if (line.waiting.length < waitingMax) {
      line.waiting.push(begin);
      return;
    }
    // The requests before are served; this one ends the connection.
    line.isFull = true;
    line.waiting.push(() => socket.destroy());
  }

  /** Whether a request is served on this connection, or waits. */
  isBusy(socket: Duplex): boolean {
    return this.#lines.get(socket)?.isBusy === true;
  }

  #lineOf(socket: Duplex): Line {
    let line = this.#lines.get(socket);
    if (!line) {
      const created: Line = { isBusy: false, waiting: [], isFull: false };
      line = created;
      this.#lines.set(socket, line);
      socket.once('close', () => {
        created.waiting.length = 0;
        created.isFull = true;
      });
    }
    return line;
  }
}
