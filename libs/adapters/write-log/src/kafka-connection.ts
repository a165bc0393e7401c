/** One connection to a broker: TLS, SASL, deadlines. */
import { createRequire } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
import type kafkajs from 'kafkajs';
import type { Admin, Kafka, KafkaConfig, logCreator, SASLOptions } from 'kafkajs';
import type { Logger, TimerHandle, Timers } from '@loki/ports';
import { apiVersionsUsed } from './kafka-protocol.ts';
import type { KafkaAnswer, KafkaCall } from './kafka-protocol.ts';
import { guardSocket } from './kafka-socket.ts';

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** TLS of connections to brokers. PEM texts, not paths. */
export interface KafkaTls {
  /** PEM; absent: the system's authorities. */
  readonly ca?: string;
  /** PEM of our own certificate, for brokers that request one. */
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly insecureSkipVerify?: boolean;
}

export interface KafkaDialOptions {
  readonly clientId: string;
  readonly sasl?: KafkaSasl;
  readonly tls?: KafkaTls;
  readonly dialTimeoutMs: number;
  readonly timers: Timers;
  readonly logger?: Logger;
}

export interface KafkaAddress {
  readonly host: string;
  readonly port: number;
}

/** The internal part of kafkajs that is used here: one connection, with TLS, SASL and version negotiation. */
interface ClientConnection {
  /** Milliseconds for which the authentication is valid; 0: for ever. */
  sessionLifetime: { toString(): string };
  socket?: net.Socket;
  requestQueue: { pending: unknown[]; scheduleCheckPendingRequests(): void; destroy(): void };
  send<T>(call: {
    request: {
      apiKey: number;
      apiVersion: number;
      apiName: string;
      encode(): Promise<{ buf: Buffer; buffer: Buffer }>;
    };
    response: { decode(answer: Buffer): Promise<T>; parse(data: T): Promise<T> };
    logResponseError: boolean;
  }): Promise<T>;
  rejectRequests(error: Error): void;
}
interface ClientPool {
  pool: ClientConnection[];
  getConnection(index: number): Promise<ClientConnection>;
}
interface ClientBroker {
  versions: Record<number, { minVersion: number; maxVersion: number }>;
  connect(): Promise<void>;
}
interface ClientCluster {
  rootLogger: unknown;
  connectionPoolBuilder: { build(address?: KafkaAddress): Promise<ClientPool> };
  brokerPool: { createBroker(options: { connectionPool: ClientPool; logger: unknown }): ClientBroker };
}

/** Share of a session's time during which a connection takes new requests. */
const sessionShare = 0.8;

/**
 * One connection to one broker. After its first failure it is not used again, and the caller dials a new one.
 * (kafkajs's own reconnect shares buffers between the old and the new socket.) Kafka processes one request of
 * a connection at a time, so callers that should not wait for each other have separate connections.
 */
export class KafkaConnection {
  readonly #address: string;
  readonly #timers: Timers;
  readonly #connection: ClientConnection;
  readonly #sockets: ReadonlySet<net.Socket>;
  readonly #versions: ClientBroker['versions'];
  #failure: Error | undefined;
  #pending = 0;
  #isRetired = false;
  #retirement: TimerHandle | undefined;

  private constructor(
    address: string,
    timers: Timers,
    connection: ClientConnection,
    { sockets, versions }: { sockets: ReadonlySet<net.Socket>; versions: ClientBroker['versions'] },
  ) {
    this.#versions = versions;
    this.#address = address;
    this.#timers = timers;
    this.#connection = connection;
    this.#sockets = sockets;
    // A new authentication would need an idle connection: a new connection is simpler.
    const sessionMs = Number(connection.sessionLifetime.toString());
    if (sessionMs > 0) this.#retirement = timers.after(sessionMs * sessionShare, () => this.#retire());
  }

  static async dial(address: KafkaAddress, options: KafkaDialOptions): Promise<KafkaConnection> {
    const name = addressText(address);
    const sockets = new Set<net.Socket>();
    const cluster = clusterOf(newClient([name], options, sockets));
    const pool = await cluster.connectionPoolBuilder.build(address);
    const broker = cluster.brokerPool.createBroker({ connectionPool: pool, logger: cluster.rootLogger });
    try {
      // Three round trips at most, each bounded by the dial timeout inside the client.
      await withDeadline(
        broker.connect(),
        3 * options.dialTimeoutMs,
        options.timers,
        `${name}: no connection`,
      );
      checkVersions(name, broker);
      const connection = await pool.getConnection(0);
      return new KafkaConnection(name, options.timers, connection, { sockets, versions: broker.versions });
    } catch (error) {
      for (const { requestQueue } of pool.pool) requestQueue.destroy();
      for (const socket of sockets) socket.destroy();
      throw error;
    }
  }

  /** Whether it takes new requests. */
  get isUsable(): boolean {
    return this.#failure === undefined && !this.#isRetired;
  }

  supports(apiKey: number, version: number): boolean {
    const range = this.#versions[apiKey];
    return range !== undefined && version >= range.minVersion && version <= range.maxVersion;
  }

  /** Sends a request. Rejects when no complete answer arrives in time; the connection is then unusable. */
  async request<T extends KafkaAnswer>(call: KafkaCall<T>, timeoutMs: number): Promise<T> {
    if (this.#failure) throw this.#failure;
    const { apiKey, apiVersion, apiName, body } = call;
    this.#pending++;
    const answer = this.#connection.send<T>({
      request: { apiKey, apiVersion, apiName, encode: async () => ({ buf: body, buffer: body }) },
      response: { decode: async (bytes) => call.decode(bytes), parse: async (data) => data },
      logResponseError: false,
    });
    try {
      return await withDeadline(
        answer,
        timeoutMs,
        this.#timers,
        `${this.#address}: no answer to ${apiName} in ${timeoutMs} ms`,
      );
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      this.#pending--;
      if (this.#isRetired && this.#pending === 0) this.close();
    }
  }

  close(reason = new Error(`${this.#address}: the connection was closed`)): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#retirement?.cancel();
    this.#connection.rejectRequests(reason);
    this.#connection.requestQueue.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #retire(): void {
    this.#isRetired = true;
    if (this.#pending === 0) this.close();
  }
}

/**
 * Runs `work` with kafkajs's admin client, for rare requests at the start that need no protocol code of our
 * own.
 */
export async function withAdmin<T>(
  brokers: readonly string[],
  options: KafkaDialOptions,
  action: (admin: Admin) => Promise<T>,
): Promise<T> {
  const sockets = new Set<net.Socket>();
  const admin = newClient(brokers, options, sockets).admin({ retry: { retries: 3 } });
  try {
    await admin.connect();
    return await action(admin);
  } finally {
    await admin.disconnect().catch(() => undefined); // its sockets are closed below in any case
    for (const socket of sockets) socket.destroy();
  }
}

/** `host:port`, `[v6]:port`; the default port is 9092. */
export function parseAddress(text: string): KafkaAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[3] ?? 9092);
  if (!match || port < 1 || port > 65_535) {
    throw new TypeError(`${JSON.stringify(text)} is not a broker address: host:port`);
  }
  return { host: match[1] ?? match[2], port };
}

function addressText({ host, port }: KafkaAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Loads kafkajs at the first dial: it takes a fifth of a second and some megabytes, which an embedded log
 * does not need.
 */
function loadClient(): typeof kafkajs {
  return createRequire(import.meta.url)('kafkajs') as typeof kafkajs;
}

function newClient(brokers: readonly string[], options: KafkaDialOptions, sockets: Set<net.Socket>): Kafka {
  const client = loadClient();
  const { clientId, dialTimeoutMs, logger } = options;
  const config: KafkaConfig = {
    brokers: [...brokers],
    clientId,
    connectionTimeout: dialTimeoutMs,
    authenticationTimeout: dialTimeoutMs,
    reauthenticationThreshold: 0,
    // This file enforces deadlines itself: the client continues to use a connection after a missed deadline.
    requestTimeout: 10_000,
    retry: { retries: 0 },
    ssl: options.tls ? tlsOptions(options.tls) : false,
    logLevel: client.logLevel.WARN,
    logCreator: toLogger(logger),
    socketFactory: ({ host, port, ssl, onConnect }) => {
      const socket = ssl
        ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
        : net.connect({ host, port }, onConnect);
      guardSocket(socket);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 30_000);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
  };
  const { sasl } = options;
  return keepQuiet(new client.Kafka(sasl ? { ...config, sasl: sasl as SASLOptions } : config));
}

function tlsOptions(options: KafkaTls): tls.ConnectionOptions {
  return {
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    rejectUnauthorized: options.insecureSkipVerify !== true,
    ...(options.serverName ? { servername: options.serverName } : {}),
  };
}

/** Errors in the client's log are mostly steps of our own retries. */
function toLogger(logger: Logger | undefined): logCreator {
  return () =>
    ({ namespace, log }) => {
      const { message } = log;
      logger?.debug('kafka client', { part: namespace, text: message });
    };
}

type CreateCluster = (options: object) => ClientCluster;

function clusterOf(client: Kafka): ClientCluster {
  return (client as unknown as Record<symbol, CreateCluster>)[clusterSymbol(client)]({
    allowAutoTopicCreation: false,
  });
}

function clusterSymbol(client: Kafka): symbol {
  const symbol = Object.getOwnPropertySymbols(client).find(
    (each) => each.description === 'private:Kafka:createCluster',
  );
  if (!symbol) throw new Error('kafkajs is not the version this was written for, 2.2.4');
  return symbol;
}

/**
 * After every answer the client sets a timer, with a negative delay when the broker does not throttle it, and
 * Node prints a warning. Without pending requests the timer is not needed.
 */
function keepQuiet(client: Kafka): Kafka {
  const symbol = clusterSymbol(client);
  const holder = client as unknown as Record<symbol, CreateCluster>;
  const create = holder[symbol];
  holder[symbol] = (options) => {
    const cluster = create.call(client, options);
    const builder = cluster.connectionPoolBuilder;
    const build = builder.build.bind(builder);
    builder.build = async (address) => {
      const connections = await build(address);
      for (const { requestQueue } of connections.pool) {
        const check = requestQueue.scheduleCheckPendingRequests.bind(requestQueue);
        requestQueue.scheduleCheckPendingRequests = () => {
          if (requestQueue.pending.length > 0) check();
        };
      }
      return connections;
    };
    return cluster;
  };
  return client;
}

function checkVersions(address: string, { versions }: ClientBroker): void {
  for (const [apiKey, { name, version }] of apiVersionsUsed) {
    const offered = versions[apiKey];
    if (!offered || version < offered.minVersion || version > offered.maxVersion) {
      const range = offered ? `${offered.minVersion} to ${offered.maxVersion}` : 'none';
      throw new Error(
        `${address} does not speak ${name} version ${version} (${range}): Kafka 2.3 or newer is needed`,
      );
    }
  }
}

async function withDeadline<T>(action: Promise<T>, ms: number, timers: Timers, text: string): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = timers.after(ms, () => reject(new Error(text)));
  try {
    return await Promise.race([action, timeout]);
  } finally {
    timer.cancel();
  }
}
