/** Clients that close their writing side: they may wait for an answer, or have gone. */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TimerHandle, Timers } from '@loki/ports';

/**
 * A client that has closed its writing side either waits for its answer or has gone: TCP tells only who
 * writes to it. So long it counts as waiting; then it is written to. The price: what a client that left asked
 * for runs so much longer.
 */
const silentMs = 500;
/** The first write to a client that has gone is answered by a reset; only the next one fails by it. */
const resetMs = 50;

/** Answers under way, for clients that close their writing side once the request is sent. */
export class HalfOpen {
  readonly #timers: Timers;
  readonly #waiting = new Set<ServerResponse>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Has the server keep connections whose client writes no more until they are answered. */
  watch(server: Server): void {
    // Node's own name for it, which its types leave out. Without it such a connection is closed before the
    // answer.
    (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    const onSocket = (socket: Socket): void => {
      socket.once('end', () => {
        for (const response of this.#waiting) if (response.socket === socket) this.#probe(response);
      });
    };
    server.on('connection', onSocket);
    server.on('secureConnection', onSocket);
  }

  /** From the request until its answer is over. */
  add(response: ServerResponse): void {
    this.#waiting.add(response);
  }

  delete(response: ServerResponse): void {
    this.#waiting.delete(response);
  }

  /**
   * Asks again and again whether the client is there, by interim answers: a client that has gone resets the
   * connection, and 'close' follows. HTTP/1.0 knows none; its client counts as gone. Where the answer has
   * begun, writing it asks.
   */
  #probe(response: ServerResponse): void {
    let timer: TimerHandle;
    let asked = 0;
    const ask = (): void => {
      if (response.headersSent) return;
      if (response.req.httpVersionMinor === 0) {
        response.destroy();
        return;
      }
      response.writeProcessing();
      timer = this.#timers.after(asked++ === 0 ? resetMs : silentMs, ask);
    };
    timer = this.#timers.after(silentMs, ask);
    response.once('close', () => timer.cancel());
  }
}
