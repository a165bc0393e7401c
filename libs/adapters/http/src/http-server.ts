/** The HTTP server: step *admit* of a push and of a query. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { SecureVersion, TLSSocket } from 'node:tls';
import { freeMemory, hasCode, LokiError } from '@loki/model';
import { errorText } from '@loki/ports';
import type { Clock, HttpGate, HttpHandler, HttpRequest, HttpResponse, Logger, Timers } from '@loki/ports';
import { isTracing, withServerSpan } from '@loki/telemetry';
import type { ServerMetrics } from '@loki/telemetry';
import { Admittance, restMsMax } from './admittance.ts';
import type { Place } from './admittance.ts';
import { BodyRoom } from './body-room.ts';
import { gzipBody, wantsGzip } from './compress.ts';
import { ConnectionBound } from './connection-bound.ts';
import { ConnectionsOfOne } from './connections-of-one.ts';
import { hasSeveralHosts, isForeignChange } from './foreign-page.ts';
import { HalfOpen } from './half-open.ts';
import { Listeners } from './listeners.ts';
import { NodeRequest } from './node-request.ts';
import { hasBody, holderOf, readBody } from './read-body.ts';
import { RequestTurns } from './request-turns.ts';
import { errorResponse, methodNotAllowed, notFound, starting } from './respond.ts';
import { cleanedPath, decodePath, noParams, Router } from './router.ts';
import type { RouteMatch } from './router.ts';
import { otherRoute } from './routes.ts';
import type { BodyKind, RouteId } from './routes.ts';
import { WebSockets } from './web-sockets.ts';
import type { HttpSocket, UpgradeHandler } from './web-sockets.ts';
import { writeStream } from './write-stream.ts';

/** Address, deadlines and bounds of one HTTP server. Times are milliseconds, sizes bytes. */
export interface HttpServerOptions {
  /** '' : all interfaces. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  /** Prefix of every path; '' or `/x`. */
  readonly pathPrefix?: string;
  /** Most time from the first byte of a request to the last of its body. */
  readonly readTimeoutMs: number;
  /** Most time from the first byte to the end of the headers; 0: readTimeoutMs. */
  readonly readHeaderTimeoutMs: number;
  /** Most time for the client to accept a ready answer. */
  readonly writeTimeoutMs: number;
  /** Most time between requests on one connection. */
  readonly idleTimeoutMs: number;
  /** Clients beyond it are answered 503; 0: no limit. */
  readonly connectionsMax: number;
  readonly bodyBytesMax: Readonly<Record<BodyKind, number>>;
  /**
   * Most bytes of bodies that are received or handled, over all requests; a tenant has three quarters of it
   * at most.
   */
  readonly inflightBodyBytesMax: number;
  readonly compressResponses: boolean;
  /** Absent: plain text. */
  readonly tls?: HttpTls;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
}

/** Certificate and key of the server (PEM), and the demands on certificates of clients. */
export interface HttpTls {
  readonly cert: Buffer | string;
  readonly key: Buffer | string;
  /** Client certificates must be issued by this authority; absent: none are requested. */
  readonly client?: { readonly ca: Buffer | string; readonly isRequired: boolean };
  /** Absent: Node's default, TLS 1.2. */
  readonly minVersion?: SecureVersion;
}

/** Request line and headers together. Grafana sends whole queries in the URL. */
const headerBytesMax = 128 * 1024;

/** WebSocket close codes. */
const normalClosure = 1000;
const internalClosure = 1011;

/**
 * Serves the handlers of routes by HTTP. Plain node:http: a framework took half of the CPU of a small
 * request.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #connections = new Set<Duplex>();
  readonly #server: Server;
  readonly #listeners: Listeners;
  readonly #router = new Router();
  readonly #handlers = new Map<RouteId, HttpHandler>();
  readonly #guarded = new Set<RouteId>();
  #gate: HttpGate | undefined;
  readonly #upgrades = new Map<RouteId, UpgradeHandler>();
  readonly #admittance: Admittance;
  readonly #connectionsOfOne = new ConnectionsOfOne();
  readonly #bodies: BodyRoom;
  readonly #sockets: WebSockets;
  readonly #halfOpen: HalfOpen;
  readonly #turns = new RequestTurns();
  readonly #bound: ConnectionBound;
  readonly #prefix: string;
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
    this.#prefix = options.pathPrefix ?? '';
    this.#admittance = new Admittance({
      ...options,
      isBusy: (holder) => this.#gate?.isBusy(holder) === true,
    });
    this.#bodies = new BodyRoom(options.inflightBodyBytesMax, options.timers);
    this.#sockets = new WebSockets(options.timers);
    this.#halfOpen = new HalfOpen(options.timers);
    this.#bound = new ConnectionBound({
      ...options,
      isTls: options.tls !== undefined,
      onRefused: () => options.metrics.connectionRefused(),
    });
    this.#server = this.#create();
    this.#listeners = new Listeners(this.#server);
  }

  /** Serves a route; the last handler given wins. */
  handle(id: RouteId, handler: HttpHandler): void {
    this.#handlers.set(id, handler);
    this.#router.add(id);
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
    this.#upgrades.set(id, handler);
    this.handle(id, async (request) => {
      await handler(request);
      return errorText(400, 'Bad Request');
    });
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
    this.#sockets.closeAll();
    const cut = this.#options.timers.after(deadlineMs, () => {
      this.#sockets.terminateAll();
      this.#server.closeAllConnections();
      // Those that have not shaken hands are no connections of HTTP yet.
      for (const connection of this.#connections) connection.destroy();
    });
    await closed;
    cut.cancel();
  }

  #create(): Server {
    const { readTimeoutMs, readHeaderTimeoutMs, idleTimeoutMs, tls } = this.#options;
    const options = {
      maxHeaderSize: headerBytesMax,
      requestTimeout: readTimeoutMs,
      headersTimeout: readHeaderTimeoutMs || readTimeoutMs,
      keepAliveTimeout: idleTimeoutMs,
      noDelay: true,
      // Without this any `Upgrade:` header (h2c, say) would take its request away from the routes.
      shouldUpgradeCallback: (message: IncomingMessage) => this.#isUpgrade(message),
    };
    const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
      if (this.isDraining) response.shouldKeepAlive = false;
      this.#turns.take(message, response, () => {
        this.#serve(message, response).catch((error: unknown) => {
          // The answer could not be written (an invalid header): this ends one connection, not the process.
          this.#unforeseen('answering failed', message.url ?? '', error);
          response.destroy();
        });
      });
    };
    const server = tls
      ? createTlsServer(
          {
            ...options,
            allowHalfOpen: true,
            handshakeTimeout: options.headersTimeout,
            cert: tls.cert,
            key: tls.key,
            ...(tls.minVersion === undefined ? {} : { minVersion: tls.minVersion }),
            ...(tls.client
              ? { ca: tls.client.ca, requestCert: true, rejectUnauthorized: tls.client.isRequired }
              : {}),
          },
          onRequest,
        )
      : createServer(options, onRequest);
    if (tls?.client) {
      server.on('secureConnection', (socket: TLSSocket) => {
        // A missing certificate is accepted if none is required; one of another authority never is.
        const isGiven = Object.keys(socket.getPeerCertificate()).length > 0;
        if (isGiven && !socket.authorized) socket.destroy();
      });
    }
    this.#bound.watch(server);
    this.#halfOpen.watch(server);
    server.on('connection', (socket) => {
      this.#options.metrics.connections('http', 1);
      this.#connections.add(socket);
      socket.once('close', () => {
        this.#options.metrics.connections('http', -1);
        this.#connections.delete(socket);
      });
    });
    // Nothing can be written to a client that failed to shake hands: its connection would stay for ever.
    server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
    server.on('upgrade', (message: IncomingMessage, stream: Duplex, head: Buffer) => {
      // Frames would be mixed with the answers to requests that were sent ahead.
      if (this.#turns.isBusy(stream) || this.#bound.isRefused(stream)) stream.destroy();
      else void this.#upgrade(message, stream, head);
    });
    server.on('clientError', (error: NodeJS.ErrnoException, stream: Duplex) => refuseBytes(error, stream));
    return server;
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = this.#options.clock.monotonicMs();
    const { path: rawPath, queryText } = splitTarget(message.url ?? '/');
    const method = message.method ?? 'GET';
    const decoded = decodePath(rawPath);
    const path = decoded ?? rawPath;
    // A path that does not decode matches no route.
    const local = decoded === undefined ? undefined : this.#withoutPrefix(decoded);
    const redirect = cleanedPath(path);
    const match =
      redirect === undefined && local !== undefined ? this.#router.find(method, local) : undefined;
    const label = match?.label ?? otherRoute;
    const request = new NodeRequest(message, local ?? path, match?.params ?? noParams, queryText);
    this.#options.metrics.started(method, label);
    let bodyBytes = 0;
    let responseBytes = 0;
    const gate = match && this.#guarded.has(match.id) ? this.#gate : undefined;
    const holder = gate && holderFor(gate, request);
    const isOfOne = this.#connectionsOfOne.isOfOne(message, holder);
    let place: Place | undefined;
    this.#halfOpen.add(response);
    response.once('close', () => {
      this.#halfOpen.delete(response);
      if (!response.writableFinished) request.clientLeft();
      if (place) this.#admittance.leave(place, isHandled(response));
      if (isOfOne && holder !== undefined) this.#rest(holder, message, response);
      if (bodyBytes > 0) this.#bodies.give(holderOf(message), bodyBytes);
      this.#options.metrics.served({
        method,
        route: label,
        statusCode: response.writableFinished ? String(response.statusCode) : '499',
        isWebSocket: false,
        seconds: (this.#options.clock.monotonicMs() - started) / 1000,
        requestBytes: bodyBytes,
        responseBytes,
      });
    });
    let answer: HttpResponse;
    let isBodyPassed = false;
    if (redirect !== undefined) {
      const to = encodeURI(redirect).replaceAll('?', '%3F').replaceAll('#', '%23');
      answer = { status: 301, headers: { location: queryText === '' ? to : `${to}?${queryText}` } };
    } else if (match === undefined) {
      const methods = local === undefined ? [] : this.#router.methodsOf(local);
      if (methods.length > 0) answer = methodNotAllowed(methods);
      else answer = this.isStarting ? starting : notFound;
    } else {
      try {
        if (this.#bound.isRefused(message.socket)) throw new LokiError('overloaded', 'too many connections');
        if (hasSeveralHosts(message)) throw new LokiError('badRequest', 'too many Host headers');
        if (isForeignChange(message, match.spec)) {
          throw new LokiError('forbidden', 'requests of pages of other sites change nothing here');
        }
        if (holder !== undefined) place = this.#admittance.enter(holder, message.socket);
        if (gate && holder !== undefined && !place) {
          isBodyPassed = isShort(message);
          answer = gate.refusal(request, this.#admittance.backlogMs(holder));
        } else {
          if (hasBody(message)) {
            const body = await readBody(message, this.#options.bodyBytesMax[match.spec.body], this.#bodies);
            bodyBytes = body.length;
            request.setBody(body);
          }
          if (place) this.#admittance.received(place);
          const handler = this.#handlers.get(match.id)!;
          answer = isTracing() ? await this.#traced(match, request, handler) : await handler(request);
        }
      } catch (error) {
        isBodyPassed = hasCode(error, 'overloaded') && isShort(message);
        answer = this.#failure(match, error);
      }
    }
    responseBytes = await this.#write(message, response, answer, isBodyPassed);
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

  #traced(match: RouteMatch, request: NodeRequest, handler: HttpHandler): Promise<HttpResponse> {
    const attributes = { 'http.request.method': request.method, 'http.route': match.spec.path };
    return withServerSpan(
      `HTTP ${request.method} - ${match.label}`,
      () => request.headers,
      attributes,
      async () => handler(request),
    );
  }

  /** The answer to a handler's failure, and a log line when the fault is ours. */
  #failure(match: RouteMatch, error: unknown): HttpResponse {
    // Loki checks the tenant before the query frontend, so this error ends with a newline.
    const isBare = match.spec.isQuery === true && (error as LokiError | undefined)?.code !== 'noOrgId';
    if (error instanceof LokiError) {
      if (error.status >= 500 && error.code !== 'overloaded') {
        this.#options.logger.warn('request failed', {
          route: match.label,
          status: error.status,
          err: error.message,
        });
      }
      return errorResponse(error, isBare);
    }
    if ((error as Error | undefined)?.name === 'AbortError') {
      return errorResponse(new LokiError('clientGone', 'the request was cancelled by the client'), isBare);
    }
    this.#unforeseen('request failed unexpectedly', match.label, error);
    return errorResponse(error, isBare);
  }

  #unforeseen(text: string, route: string, error: unknown): void {
    this.#options.metrics.panicked();
    this.#options.logger.error(text, { route, err: (error as Error | undefined)?.stack ?? String(error) });
  }

  /**
   * Sends the answer; resolves with the bytes of its body.
   *
   * @param isBodyPassed the rest of a body is read and dropped, so that the connection stays
   */
  async #write(
    message: IncomingMessage,
    response: ServerResponse,
    answer: HttpResponse,
    isBodyPassed: boolean,
  ): Promise<number> {
    const { release } = answer;
    if (release && response.closed) release();
    else if (release) response.once('close', release);
    if (answer.stream) return this.#writeStream(message, response, answer, answer.stream);
    if (response.destroyed) return 0;
    const headers: Record<string, string | number> = { ...answer.headers };
    let body = answer.body;
    let bytes = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    if (
      body !== undefined &&
      this.#options.compressResponses &&
      headers['content-encoding'] === undefined &&
      wantsGzip(message.headers['accept-encoding'], answer.headers?.['content-type'], bytes)
    ) {
      body = await gzipBody(body);
      bytes = body.length;
      headers['content-encoding'] = 'gzip';
      headers['vary'] = 'Accept-Encoding';
    }
    if (answer.status !== 204 && answer.status !== 304) headers['content-length'] = bytes;
    // The rest of a refused body is not read just to keep the connection, unless it is short.
    const isCut = !message.complete && !isBodyPassed;
    if (this.#isStopping || isCut || this.#bound.isRefused(message.socket)) {
      headers['connection'] = 'close';
    }
    response.writeHead(answer.status, headers);
    response.end(body);
    if (!message.complete && message.listenerCount('data') === 0) passBody(message);
    if (!response.writableFinished && response.writableLength > 0) this.#boundWriting(response);
    return bytes;
  }

  async #writeStream(
    message: IncomingMessage,
    response: ServerResponse,
    answer: HttpResponse,
    pieces: NonNullable<HttpResponse['stream']>,
  ): Promise<number> {
    const { compressResponses, timers, writeTimeoutMs, logger } = this.#options;
    const type = answer.headers?.['content-type'];
    const gzip = compressResponses && wantsGzip(message.headers['accept-encoding'], type, Infinity);
    try {
      return await writeStream(response, answer, pieces, { gzip, timers, stallMs: writeTimeoutMs });
    } catch (error) {
      // Too late for another status: the connection is cut.
      if (error instanceof LokiError) logger.warn('an answer was cut short', { err: error.message });
      else this.#unforeseen('an answer was cut short', message.url ?? '', error);
      return 0;
    }
  }

  /** Closes the connection of a client that does not accept its answer. */
  #boundWriting(response: ServerResponse): void {
    if (this.#options.writeTimeoutMs <= 0) return;
    const timer = this.#options.timers.after(this.#options.writeTimeoutMs, () => response.destroy());
    response.once('close', () => timer.cancel());
  }

  #isUpgrade(message: IncomingMessage): boolean {
    if (message.method !== 'GET' || message.headers.upgrade?.toLowerCase() !== 'websocket') return false;
    return this.#upgradeMatch(message) !== undefined;
  }

  #upgradeMatch(message: IncomingMessage): RouteMatch | undefined {
    const { path } = splitTarget(message.url ?? '/');
    const decoded = decodePath(path);
    const local = decoded === undefined ? undefined : this.#withoutPrefix(decoded);
    const match = local === undefined ? undefined : this.#router.find(message.method ?? 'GET', local);
    return match && this.#upgrades.has(match.id) ? match : undefined;
  }

  async #upgrade(message: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const started = this.#options.clock.monotonicMs();
    const match = this.#upgradeMatch(message)!;
    const { path, queryText } = splitTarget(message.url ?? '/');
    const request = new NodeRequest(message, path, match.params, queryText);
    stream.once('close', () => request.clientLeft());
    // 'close' follows and says the same.
    stream.once('error', () => undefined);
    this.#options.metrics.started(request.method, match.label);
    let status = 101;
    let socket: HttpSocket | undefined;
    try {
      if (hasSeveralHosts(message)) throw new LokiError('badRequest', 'too many Host headers');
      const run = await this.#upgrades.get(match.id)!(request);
      if (this.#isStopping) throw new LokiError('unavailable', 'the server is shutting down');
      socket = await this.#sockets.accept(message, stream, head);
      await run(socket);
      if (!socket.signal.aborted) socket.close(normalClosure, '');
    } catch (error) {
      const answer = this.#failure(match, error);
      if (socket) {
        socket.close(internalClosure, error instanceof LokiError ? error.message : 'internal error');
      } else {
        status = answer.status;
        if (stream.writable) endRaw(stream, answer);
      }
    }
    this.#options.metrics.served({
      method: request.method,
      route: match.label,
      statusCode: String(status),
      isWebSocket: true,
      seconds: (this.#options.clock.monotonicMs() - started) / 1000,
      requestBytes: 0,
      responseBytes: 0,
    });
  }

  /** The path without the prefix; undefined when it is not below the prefix. */
  #withoutPrefix(path: string): string | undefined {
    if (this.#prefix === '') return path;
    if (!path.startsWith(`${this.#prefix}/`)) return undefined;
    return path.slice(this.#prefix.length);
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

/** Drops a body. Pieces of it arrive until the client reads the answer: each is memory until it is freed. */
function passBody(message: IncomingMessage): void {
  message.on('data', freeMemory).resume();
}

/** A new connection costs about as much as reading this number of bytes. */
const restBytesMax = 256 * 1024;

function isShort({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length'] ?? Infinity) <= restBytesMax;
}

/** Path and query of a request target; proxies send whole URLs. */
function splitTarget(target: string): { path: string; queryText: string } {
  let local = target;
  if (!target.startsWith('/')) {
    const afterHost = /^https?:\/\/[^/?#]*(.*)$/i.exec(target)?.[1];
    local = afterHost === undefined || afterHost === '' ? '/' : afterHost;
  }
  const mark = local.indexOf('?');
  return mark < 0
    ? { path: local, queryText: '' }
    : { path: local.slice(0, mark), queryText: local.slice(mark + 1) };
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

/** Answers bytes that are no HTTP request briefly and closes the connection. */
function refuseBytes(error: NodeJS.ErrnoException, stream: Duplex): void {
  if (error.code === 'ECONNRESET' || !stream.writable) {
    stream.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  stream.end(
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n${status}`,
  );
}
