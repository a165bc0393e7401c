/** WebSockets of tails. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { HttpRequest, TimerHandle, Timers } from '@loki/ports';

/** One open WebSocket to a client that only listens. */
export interface HttpSocket {
  /**
   * Sends a frame. Resolves when the frame has been written to the network: waiting for it bounds the buffer
   * of a slow client.
   */
  send(text: string): Promise<void>;
  close(code: number, reason: string): void;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/**
 * Checks a request before the upgrade (its errors are plain answers), and returns a function that runs on the
 * open socket.
 */
export type UpgradeHandler = (
  request: HttpRequest,
) => ((socket: HttpSocket) => Promise<void>) | Promise<(socket: HttpSocket) => Promise<void>>;

/** Longest message of a client; clients have nothing to send, and a longer message closes the socket. */
const inboundBytesMax = 4096;
/** Loki pings each second; canaries count the pings. */
const pingPeriodMs = 1000;
/** Seconds without any pong after which the client counts as gone. */
const pongsMissedMax = 60;
/** The protocol allows 123 bytes of reason. */
const reasonBytesMax = 123;

/** Opens WebSockets on upgraded connections and keeps them alive. */
export class WebSockets {
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: inboundBytesMax,
  });
  readonly #timers: Timers;
  readonly #open = new Set<WebSocket>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Resolves with the socket after the upgrade; rejects when the client goes away before. */
  accept(message: IncomingMessage, stream: Duplex, head: Buffer): Promise<HttpSocket> {
    return new Promise((resolve, reject) => {
      stream.once('close', () => reject(new Error('the client left during the upgrade')));
      this.#server.handleUpgrade(message, stream, head, (socket) => resolve(this.#adopt(socket)));
    });
  }

  /** Closes all sockets with the code for a server that goes away. */
  closeAll(): void {
    for (const socket of this.#open) socket.close(1001, 'the server is shutting down');
  }

  terminateAll(): void {
    for (const socket of this.#open) socket.terminate();
  }

  #adopt(socket: WebSocket): HttpSocket {
    const departure = new AbortController();
    this.#open.add(socket);
    let pongsMissed = 0;
    let timer: TimerHandle;
    const ping = (): void => {
      if (++pongsMissed > pongsMissedMax) {
        socket.terminate();
        return;
      }
      socket.ping();
      timer = this.#timers.after(pingPeriodMs, ping);
    };
    timer = this.#timers.after(pingPeriodMs, ping);
    socket.on('pong', () => (pongsMissed = 0));
    // 'close' follows; the error itself (a client that vanished, a frame too long) changes nothing.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      timer.cancel();
      this.#open.delete(socket);
      departure.abort();
    });
    return {
      signal: departure.signal,
      send: (text) =>
        new Promise((resolve, reject) => {
          socket.send(text, (error) => (error ? reject(error) : resolve()));
        }),
      close: (code, reason) => socket.close(code, cutUtf8(reason, reasonBytesMax)),
    };
  }
}

/** At most `bytesMax` bytes of UTF-8, never half a character. */
function cutUtf8(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  let cut = text.slice(0, bytesMax);
  while (Buffer.byteLength(cut) > bytesMax) cut = cut.slice(0, -1);
  return cut.toWellFormed().replace(/\uFFFD$/, '');
}
