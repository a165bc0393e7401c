/** The HTTP server: step *admit* of a push and of a query. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hasCode, LokiError } from '@loki/model';
import type { HttpGate, HttpHandler, HttpRequest, HttpResponse } from '@loki/ports';
import { AddressesOfOne } from './addresses-of-one.ts';
import { Admittance, restMsMax } from './admittance.ts';
import type { Place } from './admittance.ts';
import { AnswerWriter } from './answer-writer.ts';
import { BodyRoom } from './body-room.ts';
import { ConnectionBound } from './connection-bound.ts';
import { ConnectionsOfOne } from './connections-of-one.ts';
import { Failures } from './failures.ts';
import { hasSeveralHosts, isForeignChange } from './foreign-page.ts';
import { HalfOpen } from './half-open.ts';
import type { HttpServerOptions } from './http-server-options.ts';
import { Listeners } from './listeners.ts';
import { NodeRequest } from './node-request.ts';
import { nodeServer } from './node-server.ts';
import { hasBody, holderOf, isShort, readBody } from './read-body.ts';
import { RequestTurns } from './request-turns.ts';
import { notFound, starting } from './respond.ts';
import { noParams } from './router.ts';
import type { RouteMatch } from './router.ts';
import { otherRoute } from './routes.ts';
import type { RouteId } from './routes.ts';
import { runHandler } from './run-handler.ts';
import { ServedRoutes } from './served-routes.ts';
import { Upgrades } from './upgrades.ts';
import type { UpgradeHandler } from './web-sockets.ts';

/** A request in progress: the results of its steps. */
interface Exchange {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly request: NodeRequest;
  /** Set for a guarded route. */
  readonly gate: HttpGate | undefined;
  /** The tenant whose place the request takes. */
  readonly holder: string | undefined;
  place: Place | undefined;
  /** The rest of a refused body is read and dropped, so that the connection stays. */
  isBodyPassed: boolean;
  bodyBytes: number;
}

/**
 * Serves the handlers of routes by HTTP. Plain node:http: a framework took half of the CPU of a small
 * request.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #connections = new Set<Duplex>();
  readonly #server: Server;
  readonly #listeners: Listeners;
  readonly #routes: ServedRoutes;
  readonly #guarded = new Set<RouteId>();
  #gate: HttpGate | undefined;
  readonly #admittance: Admittance;
  readonly #connectionsOfOne = new ConnectionsOfOne();
  readonly #addressesOfOne: AddressesOfOne;
  readonly #bodies: BodyRoom;
  readonly #failures: Failures;
  readonly #answers: AnswerWriter;
  readonly #upgrades: Upgrades;
  readonly #halfOpen: HalfOpen;
  readonly #turns = new RequestTurns();
  readonly #bound: ConnectionBound;
  #isStopping = false;
  /**
   * The server will stop soon: each answer is the last on its connection, so that clients come by others. A
   * request on a connection that is closed at that moment gets no answer.
   */
  isDraining = false;
  /** Routes without a handler may get one yet: they answer 503, so that clients come again. */
  isStarting = false;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#routes = new ServedRoutes(options.pathPrefix ?? '');
    this.#admittance = new Admittance({
      ...options,
      isBusy: (holder) => this.#gate?.isBusy(holder) === true,
    });
    this.#addressesOfOne = new AddressesOfOne(options.clock);
    this.#bodies = new BodyRoom(options.inflightBodyBytesMax, options.timers);
    this.#halfOpen = new HalfOpen(options.timers);
    this.#bound = new ConnectionBound({
      ...options,
      isTls: options.tls !== undefined,
      onRefused: () => options.metrics.connectionRefused(),
    });
    this.#failures = new Failures(options);
    this.#answers = new AnswerWriter({
      ...options,
      failures: this.#failures,
      isLast: ({ socket }) => this.#isStopping || this.#bound.isRefused(socket),
    });
    this.#upgrades = new Upgrades({ ...options, routes: this.#routes, failures: this.#failures });
    this.#server = this.#create();
    this.#listeners = new Listeners(this.#server, options.connectionsMax);
  }

  /** Serves a route; the last handler given wins. */
  handle(id: RouteId, handler: HttpHandler): void {
    this.#routes.handle(id, handler);
  }

  handleAll(handlers: Partial<Readonly<Record<RouteId, HttpHandler>>>): void {
    for (const [id, handler] of Object.entries(handlers)) this.handle(id as RouteId, handler);
  }

  /** Puts a gate before routes: requests that find no place are refused before their bodies are read. */
  guard(ids: readonly RouteId[], gate: HttpGate): void {
    this.#gate = gate;
    for (const id of ids) this.#guarded.add(id);
  }

  /** Serves a route by WebSocket; a plain request to it is checked like an upgrade, then answered 400. */
  upgrade(id: RouteId, handler: UpgradeHandler): void {
    this.#routes.upgrade(id, handler);
  }

  /** Resolves with the port once connections are taken. */
  listen(): Promise<number> {
    const { port, address } = this.#options;
    return this.#listeners.listen({ port, host: address || undefined });
  }

  /**
   * Takes no new connections, waits for running requests, then cuts the rest.
   *
   * @param deadlineMs longest wait for running requests
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#bound.stop();
    this.#admittance.stop();
    const closed = this.#listeners.close();
    this.#server.closeIdleConnections();
    this.#upgrades.closeAll();
    const cut = this.#options.timers.after(deadlineMs, () => {
      this.#upgrades.terminateAll();
      this.#server.closeAllConnections();
      // Those that have not shaken hands are no connections of HTTP yet.
      for (const connection of this.#connections) connection.destroy();
    });
    await closed;
    cut.cancel();
  }

  #create(): Server {
    const server = nodeServer(this.#options, {
      onRequest: (message, response) => this.#takeTurn(message, response),
      isUpgrade: (message) => this.#upgrades.isUpgrade(message),
      onUpgrade: (message, stream, head) => {
        // Frames would be mixed with the answers to requests that were sent ahead.
        if (this.#turns.isBusy(stream) || this.#bound.isRefused(stream)) stream.destroy();
        else void this.#upgrades.serve(message, stream, head);
      },
    });
    this.#bound.watch(server);
    this.#halfOpen.watch(server);
    server.on('connection', (socket) => {
      this.#options.metrics.connections('http', 1);
      this.#connections.add(socket);
      socket.once('close', () => {
        this.#options.metrics.connections('http', -1);
        this.#connections.delete(socket);
      });
      // Node reads from the next tick on, whether the connection rests now or not.
      process.nextTick(() => this.#restNew(socket));
    });
    return server;
  }

  #takeTurn(message: IncomingMessage, response: ServerResponse): void {
    if (this.isDraining) response.shouldKeepAlive = false;
    this.#turns.take(message, response, () => {
      this.#serve(message, response).catch((error: unknown) => {
        // The answer could not be written (an invalid header): this ends one connection, not the process.
        this.#failures.unforeseen('answering failed', message.url ?? '', error);
        response.destroy();
      });
    });
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, metrics } = this.#options;
    const started = clock.monotonicMs();
    const { path, queryText, match, unserved } = this.#routes.find(message);
    const label = match?.label ?? otherRoute;
    const request = new NodeRequest(message, path, match?.params ?? noParams, queryText);
    metrics.started(request.method, label);
    const gate = match && this.#guarded.has(match.id) ? this.#gate : undefined;
    const holder = gate && holderFor(gate, request);
    const isOfOne = this.#connectionsOfOne.isOfOne(message, holder);
    this.#addressesOfOne.note(request.remoteAddress, isOfOne ? holder : undefined);
    const exchange: Exchange = {
      message,
      response,
      request,
      gate,
      holder,
      place: undefined,
      isBodyPassed: false,
      bodyBytes: 0,
    };
    let responseBytes = 0;
    this.#halfOpen.add(response);
    response.once('close', () => {
      const { place, bodyBytes } = exchange;
      this.#halfOpen.delete(response);
      if (!response.writableFinished) request.clientLeft();
      if (place) this.#admittance.leave(place, isHandled(response));
      if (isOfOne && holder !== undefined) this.#rest(holder, message, response);
      if (bodyBytes > 0) this.#bodies.give(holderOf(message), bodyBytes);
      metrics.served({
        method: request.method,
        route: label,
        statusCode: response.writableFinished ? String(response.statusCode) : '499',
        isWebSocket: false,
        seconds: (clock.monotonicMs() - started) / 1000,
        requestBytes: bodyBytes,
        responseBytes,
      });
    });
    const answer = match
      ? await this.#answer(exchange, match)
      : (unserved ?? (this.isStarting ? starting : notFound));
    responseBytes = await this.#answers.write(exchange, answer);
  }

  /** Admits a request, reads its body, and lets the route's handler answer it. Never rejects. */
  async #answer(exchange: Exchange, match: RouteMatch): Promise<HttpResponse> {
    const { message, request, gate, holder } = exchange;
    try {
      if (this.#bound.isRefused(message.socket)) throw new LokiError('overloaded', 'too many connections');
      if (hasSeveralHosts(message)) throw new LokiError('badRequest', 'too many Host headers');
      if (isForeignChange(message, match.spec)) {
        throw new LokiError('forbidden', 'requests of pages of other sites change nothing here');
      }
      if (holder !== undefined) exchange.place = this.#admittance.enter(holder, message.socket);
      if (gate && holder !== undefined && !exchange.place) {
        exchange.isBodyPassed = isShort(message);
        return gate.refusal(request, this.#admittance.backlogMs(holder));
      }
      if (hasBody(message)) {
        const body = await readBody(message, this.#options.bodyBytesMax[match.spec.body], this.#bodies);
        exchange.bodyBytes = body.length;
        request.setBody(body);
      }
      if (exchange.place) this.#admittance.received(exchange.place);
      return await runHandler(this.#routes.handlerOf(match), match, request);
    } catch (error) {
      exchange.isBodyPassed = hasCode(error, 'overloaded') && isShort(message);
      return this.#failures.answer(match, error);
    }
  }

  /** Lets a new connection rest that will carry a push of a busy tenant, by its address. */
  #restNew(socket: Socket): void {
    const { tls, readTimeoutMs, readHeaderTimeoutMs } = this.#options;
    // Node would answer 408 when the headers take longer. A handshake has to be read.
    const headerMs = readHeaderTimeoutMs || readTimeoutMs || Infinity;
    if (tls || headerMs < restMsMax || this.#isStopping || this.#bound.isRefused(socket)) return;
    const holder = this.#addressesOfOne.holderOf(socket.remoteAddress ?? '');
    if (holder !== undefined) this.#admittance.rest(holder, socket);
  }

  /** Lets the connection rest until another push of its tenant may come. */
  #rest(holder: string, message: IncomingMessage, response: ServerResponse): void {
    const { socket } = message;
    if (!response.shouldKeepAlive || this.#isStopping || this.isDraining) return;
    // Node would close a connection that rests as idle, with the request that waits there.
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs > 0 && idleTimeoutMs < restMsMax) return;
    const onIdle = (): void => {
      if (socket.writable && !this.#turns.isBusy(socket)) this.#admittance.rest(holder, socket);
    };
    if (message.complete) onIdle();
    else message.once('end', onIdle);
  }
}

/** The holder of the request's place; undefined: the handler will say why there is none. */
function holderFor(gate: HttpGate, request: HttpRequest): string | undefined {
  try {
    return gate.holderOf(request);
  } catch {
    return undefined;
  }
}

/** False for a client that left, and where others that handle requests are overloaded themselves. */
function isHandled(response: ServerResponse): boolean {
  return response.writableFinished && response.statusCode !== 503;
}
