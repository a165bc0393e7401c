/** One connection to a broker: TLS, SASL, deadlines. */
import type net from 'node:net';
import type { Admin } from 'kafkajs';
import type { TimerHandle, Timers } from '@loki/ports';
import { clusterOf, newClient } from './kafka-client.ts';
import type { ClientBroker, ClientConnection, KafkaAddress, KafkaDialOptions } from './kafka-client.ts';
import { apiVersionsUsed } from './kafka-protocol.ts';
import type { KafkaAnswer, KafkaCall } from './kafka-protocol.ts';

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
