/** Results in memcached, shared by queriers: step *recall* of a query. */
import { mib } from '@loki/model';
import type { Clock, Logger, ResultsCache, Timers } from '@loki/ports';
import { chooseServer } from './choose-server.ts';
import type { MemcachedTls } from './memcached-connection.ts';
import {
  expirationOf,
  getCommand,
  GetReader,
  memcachedKey,
  setCommand,
  SetReader,
} from './memcached-protocol.ts';
import { MemcachedServer } from './memcached-server.ts';
import type { BreakerOptions } from './memcached-server.ts';

export interface MemcachedResultsCacheOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Stands before each key. */
  readonly prefix: string;
  readonly ttlMs: number;
  /**
   * Deadline of one request. A lookup of many keys makes several requests one after another, and takes
   * `questionTimeouts` times that at most.
   */
  readonly timeoutMs: number;
  /** Keys of one request; 0: the protocol's maximum. */
  readonly batchSize: number;
  /** Concurrent requests of one lookup. */
  readonly parallelism: number;
  /** Maximum of connections to one server. */
  readonly connectionsMax: number;
  /** Larger values are not written; 0: only this program's own bound applies. */
  readonly itemBytesMax: number;
  /** Maximum of values that wait to be written; further ones are dropped. */
  readonly writing: { readonly parallelism: number; readonly itemsMax: number; readonly bytesMax: number };
  readonly breaker: BreakerOptions;
  readonly tls?: MemcachedTls;
  /** Called for each request. */
  readonly onRequest?: (request: MemcachedRequest) => void;
}

interface MemcachedRequest {
  readonly method: 'get' | 'set';
  readonly seconds: number;
  /** The server answered, with a value or without. */
  readonly isOk: boolean;
}

/** A larger value is neither written nor accepted. */
const valueBytesMax = 8 * mib;
/** Keys of one request at most: its line stays below what memcached reads in one piece. */
const batchKeysMax = 100;
/** A lookup ends after this many times the deadline of one request. */
const questionTimeouts = 5;
const writingBytesMax = 64 * mib;
const writingItemsMax = 10_000;

interface Write {
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * Values on memcached servers, shared by all queriers. Each key has one server. Unavailable, slow or wrong
 * servers cost time within the deadline, never an answer.
 */
export class MemcachedResultsCache implements ResultsCache {
  readonly #options: MemcachedResultsCacheOptions;
  readonly #servers = new Map<string, MemcachedServer>();
  #names: readonly string[] = [];
  readonly #writes: Write[] = [];
  #writingBytes = 0;
  #writers = 0;
  #isClosed = false;

  constructor(options: MemcachedResultsCacheOptions) {
    this.#options = options;
  }

  /** Uses these servers from now on, as `host:port`; remaining ones keep their connections. */
  useServers(addresses: Iterable<string>): void {
    if (this.#isClosed) return;
    const serverNames = new Set(addresses);
    for (const [name, server] of this.#servers) {
      if (serverNames.has(name)) continue;
      server.close();
      this.#servers.delete(name);
    }
    for (const name of serverNames) {
      if (!this.#servers.has(name)) this.#servers.set(name, this.#newServer(name));
    }
    this.#names = [...this.#servers.keys()];
  }

  async get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const hits = new Map<string, Buffer>();
    const named = keys.map((key) => memcachedKey(this.#options.prefix + key));
    const batches = this.#batches(new Set(named));
    if (batches.length === 0) return keys.map(() => undefined);
    const { timers, timeoutMs, parallelism } = this.#options;
    let isOver = false;
    const timeout = Promise.withResolvers<void>();
    const timer = timers.after(questionTimeouts * timeoutMs, timeout.resolve);
    const ask = async (): Promise<void> => {
      for (let batch = batches.shift(); batch && !isOver; batch = batches.shift()) {
        const { server, keys: batchKeys } = batch;
        try {
          const reader = new GetReader(batchKeys, valueBytesMax);
          const values = await this.#timed('get', () => server.request(getCommand(batchKeys), reader));
          if (!isOver) for (const [key, value] of values) hits.set(key, value);
        } catch {
          // A missing answer of a server counts as an absent value; `MemcachedServer` counts the failure.
        }
      }
    };
    const asking = Array.from({ length: Math.max(1, parallelism) }, ask);
    await Promise.race([Promise.all(asking), timeout.promise]);
    isOver = true;
    timer.cancel();
    return named.map((key) => hits.get(key));
  }

  put(entries: readonly { readonly key: string; readonly value: Uint8Array }[]): void {
    const { itemBytesMax, prefix, writing } = this.#options;
    const largest = itemBytesMax > 0 ? Math.min(itemBytesMax, valueBytesMax) : valueBytesMax;
    const bytesMax = Math.min(writing.bytesMax, writingBytesMax);
    const itemsMax = Math.min(writing.itemsMax, writingItemsMax);
    for (const { key, value } of entries) {
      const isTooMuch = this.#writingBytes + value.length > bytesMax || this.#writes.length >= itemsMax;
      if (value.length > largest || isTooMuch || this.#isClosed) continue;
      this.#writes.push({ key: memcachedKey(prefix + key), value });
      this.#writingBytes += value.length;
    }
    const writerCount = Math.min(this.#writes.length, Math.max(1, writing.parallelism));
    while (this.#writers < writerCount) {
      this.#writers++;
      void this.#write();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#writes.length = 0;
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
    this.#names = [];
    return Promise.resolve();
  }

  async #write(): Promise<void> {
    const { clock, ttlMs } = this.#options;
    for (let next = this.#writes.shift(); next; next = this.#writes.shift()) {
      const { key, value } = next;
      try {
        const expiration = expirationOf(ttlMs, clock.nowMs());
        const server = this.#serverOf(key);
        const command = setCommand(key, value, expiration);
        if (server) await this.#timed('set', () => server.request(command, new SetReader()));
      } catch {
        // A result that is not cached is computed again.
      } finally {
        this.#writingBytes -= value.length;
      }
    }
    this.#writers--;
  }

  async #timed<T>(method: MemcachedRequest['method'], request: () => Promise<T>): Promise<T> {
    const { clock, onRequest } = this.#options;
    const startedMs = clock.monotonicMs();
    let isOk = false;
    try {
      const answer = await request();
      isOk = true;
      return answer;
    } finally {
      onRequest?.({ method, seconds: (clock.monotonicMs() - startedMs) / 1000, isOk });
    }
  }

  /** Requests for the keys, each for the keys of one server. */
  #batches(keys: Iterable<string>): { readonly server: MemcachedServer; readonly keys: readonly string[] }[] {
    const { batchSize } = this.#options;
    const most = batchSize > 0 ? Math.min(batchSize, batchKeysMax) : batchKeysMax;
    const byServer = new Map<MemcachedServer, string[]>();
    for (const key of keys) {
      const server = this.#serverOf(key);
      if (!server) continue;
      const serverKeys = byServer.get(server);
      if (serverKeys) serverKeys.push(key);
      else byServer.set(server, [key]);
    }
    return [...byServer].flatMap(([server, serverKeys]) =>
      Array.from({ length: Math.ceil(serverKeys.length / most) }, (_, i) => ({
        server,
        keys: serverKeys.slice(i * most, (i + 1) * most),
      })),
    );
  }

  #serverOf(key: string): MemcachedServer | undefined {
    return this.#names.length === 0 ? undefined : this.#servers.get(chooseServer(key, this.#names));
  }

  #newServer(name: string): MemcachedServer {
    const { logger, ...options } = this.#options;
    return new MemcachedServer(addressOf(name), {
      ...options,
      onChange: ({ isGivenUp, error }) => {
        if (!isGivenUp) return logger.info('a memcached server answers again', { server: name });
        logger.warn('a memcached server does not answer; queries go on without it', {
          server: name,
          err: error?.message ?? 'unknown',
        });
      },
    });
  }
}

/** `host:port`, `[v6]:port`. */
function addressOf(name: string): { host: string; port: number } {
  const at = name.lastIndexOf(':');
  return { host: name.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(name.slice(at + 1)) };
}
