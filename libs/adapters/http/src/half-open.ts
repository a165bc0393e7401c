/** Detects clients that are gone although only their writing side is closed: step *admit*. */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TimerHandle, Timers } from '@loki/ports';

/**
 * A client that has closed its writing side either waits for its answer or has gone: TCP reveals it only by a
 * write. The client counts as waiting for this time; then a probe is written. So the work of a lost client
 * runs this much longer.
 */
const silentMs = 500;
/** A lost client answers the first write by a reset; only the next write fails. */
const resetMs = 50;

/** The answers in progress of clients that close their writing side after the request. */
export class HalfOpen {
  readonly #timers: Timers;
  /** By connection: each serves one request at a time. */
  readonly #waiting = new Map<Socket, ServerResponse>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Makes the server keep half-closed connections until they are answered. */
  watch(server: Server): void {
    // Node's internal option, absent in its types. Without it Node closes such a connection before the
    // answer.
    (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    const onSocket = (socket: Socket): void => {
      socket.once('end', () => {
        const response = this.#waiting.get(socket);
        if (response) this.#probe(response);
      });
    };
    server.on('connection', onSocket);
    server.on('secureConnection', onSocket);
  }

  /** From the request until its answer is over. */
  add(response: ServerResponse): void {
    this.#waiting.set(response.req.socket, response);
  }

  delete(response: ServerResponse): void {
    const { socket } = response.req;
    if (this.#waiting.get(socket) === response) this.#waiting.delete(socket);
  }

  /**
   * Probes the client by interim responses: a lost client resets the connection, and 'close' follows.
   * HTTP/1.0 has no interim responses; its client counts as lost. Once the answer has begun, its writes are
   * the probe.
   */
  #probe(response: ServerResponse): void {
    let timer: TimerHandle;
    let probeCount = 0;
    const ask = (): void => {
      if (response.headersSent) return;
      if (response.req.httpVersionMinor === 0) {
        response.destroy();
        return;
      }
      response.writeProcessing();
      timer = this.#timers.after(probeCount++ === 0 ? resetMs : silentMs, ask);
    };
    timer = this.#timers.after(silentMs, ask);
    response.once('close', () => timer.cancel());
  }
}
