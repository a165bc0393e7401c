/** Connections to Redis for the state of rings. */
import { createRequire } from 'node:module';
import type * as ioredis from 'ioredis';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { mib } from '@loki/model';
import type { Logger } from '@loki/ports';

export interface RedisEndpointOptions {
  /** `host:port`. One: a server. Several: a cluster, or with `masterName` the sentinels that watch it. */
  readonly endpoints: readonly string[];
  readonly masterName?: string;
  readonly username?: string;
  readonly password?: string;
  /** Database number of a single or sentinel-watched server. */
  readonly db?: number;
  readonly tls?: { readonly insecureSkipVerify?: boolean; readonly ca?: string };
  readonly connectTimeoutMs: number;
  /** A connection whose answer is overdue for this long is replaced. */
  readonly socketTimeoutMs: number;
  readonly logger?: Logger;
}

export type RedisClient = Redis | Cluster;

const reconnectMaxMs = 2_000;

/** Bytes of one answer: a ring of ten thousand members takes a tenth. A longer one ends its connection. */
const answerBytesMax = 64 * mib;

/**
 * A client that reconnects without end. Its commands fail until it has connected; each loss is one log line.
 */
export function openRedis(options: RedisEndpointOptions, purpose: string): RedisClient {
  // Loaded when it is used: a process without Redis saves the memory.
  const { Cluster, Redis } = createRequire(import.meta.url)('ioredis') as typeof ioredis;
  const addresses = options.endpoints.map(parseEndpoint);
  if (addresses.length === 0) throw new TypeError('no Redis server is named');
  const tls = options.tls && {
    rejectUnauthorized: options.tls.insecureSkipVerify !== true,
    ca: options.tls.ca,
  };
  const shared = {
    username: options.username || undefined,
    password: options.password || undefined,
    tls,
    connectTimeout: options.connectTimeoutMs,
    connectionName: `loki ${purpose}`,
    maxRetriesPerRequest: 1,
    disconnectTimeout: 500,
    protocol: 2,
    autoResendUnfulfilledCommands: false,
    // A primary has become a replica: find the new primary, and send the command there.
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 2 : false),
  } satisfies RedisOptions;
  const retryStrategy = (times: number): number => Math.min(50 * 2 ** Math.min(times, 10), reconnectMaxMs);
  const client = connect();
  if (client instanceof Cluster) client.on('+node', (node: Redis) => boundAnswers(node));
  else boundAnswers(client);
  client.setMaxListeners(0); // each command that waits for a connection listens
  listen(client, purpose, options.logger);
  return client;

  function connect(): RedisClient {
    if (options.masterName) {
      return new Redis({
        ...shared,
        db: options.db ?? 0,
        name: options.masterName,
        sentinels: addresses,
        sentinelTLS: tls,
        enableTLSForSentinelMode: tls !== undefined,
        socketTimeout: options.socketTimeoutMs,
        sentinelRetryStrategy: retryStrategy,
        enableOfflineQueue: false,
        retryStrategy,
      });
    }
    if (addresses.length > 1) {
      return new Cluster(addresses, {
        redisOptions: { ...shared, socketTimeout: options.socketTimeoutMs },
        clusterRetryStrategy: retryStrategy,
        clusterNodeRetryStrategy: retryStrategy,
        enableOfflineQueue: false,
        slotsRefreshTimeout: options.connectTimeoutMs,
      });
    }
    return new Redis({
      ...shared,
      ...addresses[0],
      db: options.db ?? 0,
      socketTimeout: options.socketTimeoutMs,
      enableOfflineQueue: false,
      retryStrategy,
    });
  }
}

/** ioredis buffers an answer of any length: beyond `answerBytesMax` the connection is closed. */
function boundAnswers(client: Redis): void {
  let bytes = 0;
  const restart = (): void => void (bytes = 0);
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    // A command ends by its answer or with its connection: both begin a new count.
    command.promise.then(restart, restart);
    return send(command, stream);
  };
  client.on('message', restart);
  client.on('connect', () => {
    restart();
    const { stream } = client;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > answerBytesMax) {
        stream.destroy(new Error(`an answer of more than ${answerBytesMax} bytes`));
      }
    });
  });
}

/** Without a listener the client writes its errors to the console. */
function listen(client: RedisClient, purpose: string, logger: Logger | undefined): void {
  let isTold = false;
  client.on('error', (error: Error) => {
    logger?.[isTold ? 'debug' : 'warn']('redis: no connection', { purpose, err: error.message });
    isTold = true;
  });
  client.on('ready', () => {
    if (isTold) logger?.info('redis: connected again', { purpose });
    isTold = false;
  });
}

/** `host:port`, `[v6]:port`; 6379 when there is no port. */
function parseEndpoint(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[3] ?? 6379);
  if (!match || port < 1 || port > 65_535) {
    throw new TypeError(`${JSON.stringify(text)} is not a Redis address: host:port`);
  }
  return { host: match[1] ?? match[2], port };
}
