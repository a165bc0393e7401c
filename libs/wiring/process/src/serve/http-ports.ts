/** The HTTP ports of a process: one for clients, optionally one for operators. */
import type { Config } from '@loki/config';
import { HttpServer, routes } from '@loki/http';
import type { HttpServerOptions, RouteId, RouteSpec, UpgradeHandler } from '@loki/http';
import { mib, SharedBytes } from '@loki/model';
import type { HttpGate, HttpHandler } from '@loki/ports';
import type { MemoryBounds } from '../stores/memory-bounds.ts';
import { connectionsMaxOf, descriptorsMax } from './descriptors.ts';
import { httpTls } from './http-tls.ts';
import { openPort } from './open-port.ts';

type HttpDeps = Pick<HttpServerOptions, 'clock' | 'timers' | 'logger' | 'metrics'>;

const rulesBytesMax = mib;

/**
 * The HTTP ports of a process: one for all routes, or one for clients and one for operators
 * (`server.admin_listen_port`). The table of routes says which route belongs to which port.
 */
export class HttpPorts {
  readonly #config: Config['server'];
  readonly #clients: HttpServer;
  readonly #operators: HttpServer | undefined;

  constructor(config: Config, memory: Pick<MemoryBounds, 'bodyBytesMax'>, deps: HttpDeps) {
    const options = optionsOf(config, memory.bodyBytesMax, deps);
    this.#config = config.server;
    const { httpListenPort, adminListenPort } = config.server;
    this.#clients = new HttpServer({ ...options, port: httpListenPort });
    if (adminListenPort !== 0) this.#operators = new HttpServer({ ...options, port: adminListenPort });
  }

  /** Sets the handler of a route; a later handler replaces an earlier one. */
  handle(id: RouteId, handler: HttpHandler): void {
    const { port }: RouteSpec = routes[id];
    if (port === undefined || port === 'both' || !this.#operators) this.#clients.handle(id, handler);
    if (port !== undefined) this.#operators?.handle(id, handler);
  }

  handleAll(handlers: Partial<Readonly<Record<RouteId, HttpHandler>>>): void {
    for (const [id, handler] of Object.entries(handlers)) this.handle(id as RouteId, handler);
  }

  /**
   * True: handlers are still to come, and a path without a route is answered 503. False: it is answered 404.
   */
  set isStarting(isStarting: boolean) {
    this.#clients.isStarting = isStarting;
    if (this.#operators) this.#operators.isStarting = isStarting;
  }

  /** Sets the gate before routes of clients. */
  guard(ids: readonly RouteId[], gate: HttpGate): void {
    this.#clients.guard(ids, gate);
  }

  /** Sets the WebSocket handler of a route. */
  upgrade(id: RouteId, handler: UpgradeHandler): void {
    this.#clients.upgrade(id, handler);
  }

  /** Resolves with the ports once connections are accepted. */
  async listen(): Promise<{ readonly port: number; readonly adminPort?: number }> {
    const { httpListenPort, adminListenPort } = this.#config;
    const operators = this.#operators;
    const adminPort =
      operators && (await openPort(() => operators.listen(), adminListenPort, 'server.admin-listen-port'));
    const port = await openPort(() => this.#clients.listen(), httpListenPort, 'server.http-listen-port');
    return adminPort === undefined ? { port } : { port, adminPort };
  }

  /**
   * Further requests of clients are answered; each answer closes its connection, so that clients open the
   * next one to another process.
   */
  drainClients(): void {
    this.#clients.isDraining = true;
  }

  /**
   * Accepts no further requests of clients, and ends running ones within the deadline. Operators still get
   * answers.
   */
  stopClients(deadlineMs: number): Promise<void> {
    return this.#clients.stop(deadlineMs);
  }

  async stopOperators(deadlineMs: number): Promise<void> {
    await this.#operators?.stop(deadlineMs);
  }
}

function optionsOf(
  { server, distributor, frontend }: Config,
  bodyBytesMax: number,
  deps: HttpDeps,
): Omit<HttpServerOptions, 'port'> {
  const inflightBodyBytesMax = distributor.maxInflightBytes > 0 ? distributor.maxInflightBytes : bodyBytesMax;
  // A body larger than the share of one holder would be refused with 503 at every attempt.
  const shareBytes = SharedBytes.shareOf(inflightBodyBytesMax);
  return {
    ...deps,
    address: server.httpListenAddress,
    pathPrefix: server.httpPathPrefix,
    readTimeoutMs: server.httpReadTimeoutMs,
    readHeaderTimeoutMs: server.httpReadHeaderTimeoutMs,
    writeTimeoutMs: server.httpWriteTimeoutMs,
    idleTimeoutMs: server.httpIdleTimeoutMs,
    connectionsMax: connectionsMaxOf(server.httpConnectionsMax, descriptorsMax()),
    bodyBytesMax: {
      none: 0,
      push: Math.min(distributor.maxRecvMsgBytes, shareBytes),
      form: Math.min(frontend.maxBodyBytes, shareBytes),
      rules: rulesBytesMax,
    },
    inflightBodyBytesMax,
    compressResponses: frontend.compressResponses,
    tls: httpTls(server.httpTls),
  };
}
