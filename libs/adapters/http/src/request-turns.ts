/** Serves pipelined requests of a connection one after another: step *admit*. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Most requests of a connection that wait for the current one. Pipelining clients send a few; Node reads up
 * to 64 KiB at once, which may be a thousand requests.
 */
const waitingMax = 64;

interface Line {
  isBusy: boolean;
  readonly waiting: (() => void)[];
  isFull: boolean;
}

/**
 * Serves the requests of a connection in order, one at a time. Node emits all requests that it has read;
 * without this they would all run at once, even for a client that reads no answers or is gone.
 */
export class RequestTurns {
  readonly #lines = new WeakMap<Duplex, Line>();

  /**
   * Calls `serve` when the client has received all earlier answers; never if it goes away before. The turn
   * ends with the response.
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
    // Earlier requests are served; this one ends the connection.
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
