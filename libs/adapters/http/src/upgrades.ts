/** Requests that become WebSockets: a tail from its check to the end of its socket. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { LokiError } from '@loki/model';
import type { Clock, HttpResponse, Timers } from '@loki/ports';
import type { ServerMetrics } from '@loki/telemetry';
import type { Failures } from './failures.ts';
import { hasSeveralHosts } from './foreign-page.ts';
import { NodeRequest } from './node-request.ts';
import type { ServedRoutes } from './served-routes.ts';
import { WebSockets } from './web-sockets.ts';
import type { HttpSocket } from './web-sockets.ts';

/** WebSocket close codes. */
const normalClosure = 1000;
const internalClosure = 1011;

interface UpgradesDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: ServerMetrics;
  readonly routes: ServedRoutes;
  readonly failures: Failures;
}

/** Serves requests by WebSocket. */
export class Upgrades {
  readonly #deps: UpgradesDeps;
  readonly #sockets: WebSockets;
  #isClosing = false;

  constructor(deps: UpgradesDeps) {
    this.#deps = deps;
    this.#sockets = new WebSockets(deps.timers);
  }

  isUpgrade(message: IncomingMessage): boolean {
    if (message.method !== 'GET' || message.headers.upgrade?.toLowerCase() !== 'websocket') return false;
    const { match } = this.#deps.routes.find(message);
    return match !== undefined && this.#deps.routes.upgradeOf(match) !== undefined;
  }

  /** Never rejects. @param head bytes that came after the request */
  async serve(message: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const { clock, metrics, routes, failures } = this.#deps;
    const started = clock.monotonicMs();
    const { path, queryText, match: found } = routes.find(message);
    // `isUpgrade` has seen it.
    const match = found!;
    const request = new NodeRequest(message, path, match.params, queryText);
    stream.once('close', () => request.clientLeft());
    // 'close' follows and says the same.
    stream.once('error', () => undefined);
    metrics.started(request.method, match.label);
    let status = 101;
    let socket: HttpSocket | undefined;
    try {
      if (hasSeveralHosts(message)) throw new LokiError('badRequest', 'too many Host headers');
      const run = await routes.upgradeOf(match)!(request);
      if (this.#isClosing) throw new LokiError('unavailable', 'the server is shutting down');
      socket = await this.#sockets.accept(message, stream, head);
      await run(socket);
      if (!socket.signal.aborted) socket.close(normalClosure, '');
    } catch (error) {
      const answer = failures.answer(match, error);
      if (socket) {
        socket.close(internalClosure, error instanceof LokiError ? error.message : 'internal error');
      } else {
        status = answer.status;
        if (stream.writable) endRaw(stream, answer);
      }
    }
    metrics.served({
      method: request.method,
      route: match.label,
      statusCode: String(status),
      isWebSocket: true,
      seconds: (clock.monotonicMs() - started) / 1000,
      requestBytes: 0,
      responseBytes: 0,
    });
  }

  /** Takes no further sockets, and closes the open ones with the code for a server that goes away. */
  closeAll(): void {
    this.#isClosing = true;
    this.#sockets.closeAll();
  }

  terminateAll(): void {
    this.#sockets.terminateAll();
  }
}

/** A plain answer on a connection that was about to be upgraded. */
function endRaw(stream: Duplex, answer: HttpResponse): void {
  const body = Buffer.from(answer.body ?? '');
  let head = `HTTP/1.1 ${answer.status} ${answer.status === 400 ? 'Bad Request' : 'Error'}\r\n`;
  for (const [name, value] of Object.entries(answer.headers ?? {})) head += `${name}: ${value}\r\n`;
  stream.end(
    Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n`), body]),
  );
}
