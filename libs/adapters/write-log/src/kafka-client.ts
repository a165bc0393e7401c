/** The client kafkajs as this log uses it: its sockets, TLS, SASL and log lines. */
import { createRequire } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
import type kafkajs from 'kafkajs';
import type { Kafka, KafkaConfig, SASLOptions, logCreator } from 'kafkajs';
import type { Logger, Timers } from '@loki/ports';
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
export interface ClientConnection {
  /** Milliseconds for which the authentication is valid; 0: no limit. */
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

export interface ClientBroker {
  versions: Record<number, { minVersion: number; maxVersion: number }>;
  connect(): Promise<void>;
}

interface ClientCluster {
  rootLogger: unknown;
  connectionPoolBuilder: { build(address?: KafkaAddress): Promise<ClientPool> };
  brokerPool: { createBroker(options: { connectionPool: ClientPool; logger: unknown }): ClientBroker };
}

/**
 * Loads kafkajs at the first dial: it takes a fifth of a second and some megabytes, which an embedded log
 * does not need.
 */
function loadClient(): typeof kafkajs {
  return createRequire(import.meta.url)('kafkajs') as typeof kafkajs;
}

export function newClient(
  brokers: readonly string[],
  options: KafkaDialOptions,
  sockets: Set<net.Socket>,
): Kafka {
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

export function clusterOf(client: Kafka): ClientCluster {
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
