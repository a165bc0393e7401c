/** The state of rings in Redis: heartbeats and tokens of all members. */
import { LokiError } from '@loki/model';
import type { Logger, Random, RingStore, TimerHandle, Timers } from '@loki/ports';
import { openRedis } from './redis-client.ts';
import type { RedisClient, RedisEndpointOptions } from './redis-client.ts';

export interface RedisRingStoreOptions {
  readonly endpoints: RedisEndpointOptions['endpoints'];
  readonly masterName?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls?: RedisEndpointOptions['tls'];
  /** For one question and its answer. Default 500 ms. */
  readonly timeoutMs?: number;
  /** Before every key, so that others may use the same server. Default `loki:`. */
  readonly keyPrefix?: string;
  /** How often watched keys are read, besides being told of changes. Default 5 s. */
  readonly pollMs?: number;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
}

/**
 * A hash holds `value` and `version`. The version is drawn at random by each writer, not counted: a server
 * that was wiped and counts from 1 again must not take a write that was meant for its former state.
 * KEYS: the hash; ARGV: version that must stand ('' for none), new version, value, channel to tell.
 */
const compareAndSetScript = `
local kind = redis.call('TYPE', KEYS[1]).ok
local current = ''
if kind == 'hash' then
  current = redis.call('HGET', KEYS[1], 'version') or ''
elseif kind ~= 'none' then
  redis.call('DEL', KEYS[1])
end
if current ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[2])
return 1`;

interface Watched {
  readonly key: string;
  readonly watchers: Set<Watcher>;
  timer: TimerHandle | undefined;
  reading: Promise<void> | undefined;
  /** Another reading was asked for while one was under way. */
  isStale: boolean;
}
interface Watcher {
  readonly onChange: (value: string | undefined) => void;
  /** Version told last; undefined: nothing was told yet; '' stands for no value. */
  told: string | undefined;
}

/**
 * Ring state in Redis: one server, a sentinel-watched one, or a cluster (each key is a hash slot of its own).
 *
 * Watchers hear of a change by a message, and by reading every few seconds for when a message was lost. While
 * Redis is away they hear nothing: what they know stays in force. It reconnects by itself.
 */
export class RedisRingStore implements RingStore {
  readonly #options: RedisRingStoreOptions;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #client: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #watched = new Map<string, Watched>();
  /** Says why there is no connection. */
  #lastError: string | undefined;
  #isClosed = false;

  constructor(options: RedisRingStoreOptions) {
    this.#options = options;
    this.#prefix = options.keyPrefix ?? 'loki:';
    this.#timeoutMs = options.timeoutMs ?? 500;
    const endpoint: RedisEndpointOptions = {
      ...options,
      connectTimeoutMs: Math.max(1_000, this.#timeoutMs),
      socketTimeoutMs: 4 * this.#timeoutMs,
    };
    this.#client = openRedis(endpoint, 'ring');
    this.#client.on('error', (error: Error) => (this.#lastError = error.message));
    this.#client.on('ready', () => (this.#lastError = undefined));
    this.#subscriber = openRedis(endpoint, 'ring changes');
    this.#subscriber.on('message', (channel: string) => this.#onMessage(channel));
    // Also after each reconnection, when messages may have been missed.
    this.#subscriber.on('ready', () => {
      for (const watched of this.#watched.values()) void this.#subscribe(watched);
    });
  }

  async get(key: string): Promise<{ value: string; version: string } | undefined> {
    const [version, value] = await this.#ask('get', key, async (client) => {
      try {
        const answer: unknown = await client.hmget(this.#redisKey(key), 'version', 'value');
        if (!Array.isArray(answer)) throw new Error('an answer of another kind');
        return answer as unknown[];
      } catch (error) {
        // Something else stands there: no value of ours, and the next write replaces it.
        if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return [null, null];
        throw error;
      }
    });
    return typeof version === 'string' && typeof value === 'string' ? { value, version } : undefined;
  }

  async compareAndSet(key: string, value: string, version: string | undefined): Promise<boolean> {
    const next = Buffer.from(this.#options.random.bytes(12)).toString('base64url');
    const redisKey = this.#redisKey(key);
    return this.#ask('set', key, async (client) => {
      const isSet = await client.eval(compareAndSetScript, 1, redisKey, version ?? '', next, value, redisKey);
      if (isSet !== 0 && isSet !== 1) throw new Error('an answer of another kind');
      return isSet === 1;
    });
  }

  watch(key: string, onChange: (value: string | undefined) => void): () => void {
    const watcher: Watcher = { onChange, told: undefined };
    let watched = this.#watched.get(key);
    if (!watched) {
      watched = { key, watchers: new Set(), timer: undefined, reading: undefined, isStale: false };
      this.#watched.set(key, watched);
      void this.#subscribe(watched);
    }
    watched.watchers.add(watcher);
    this.#read(watched);
    const ours = watched;
    return () => {
      ours.watchers.delete(watcher);
      if (ours.watchers.size === 0) this.#forget(ours);
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const watched of this.#watched.values()) this.#forget(watched);
    this.#client.disconnect();
    this.#subscriber.disconnect();
  }

  /** The braces make the whole key its own hash tag. */
  #redisKey(key: string): string {
    return `${this.#prefix}{${key}}`;
  }

  #onMessage(channel: string): void {
    for (const watched of this.#watched.values()) {
      if (this.#redisKey(watched.key) === channel) this.#read(watched);
    }
  }

  #forget(watched: Watched): void {
    watched.timer?.cancel();
    watched.watchers.clear();
    if (this.#watched.get(watched.key) !== watched) return;
    this.#watched.delete(watched.key);
    if (this.#subscriber.status === 'ready') {
      // A failure means that the subscription is gone, or goes with its connection.
      this.#subscriber.unsubscribe(this.#redisKey(watched.key)).catch(() => undefined);
    }
  }

  async #subscribe(watched: Watched): Promise<void> {
    if (this.#subscriber.status !== 'ready') return; // done when it is
    try {
      await this.#subscriber.subscribe(this.#redisKey(watched.key));
      this.#read(watched); // a change may have come before
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger?.debug('redis: could not subscribe; changes are found by reading', {
        err: reason,
      });
    }
  }

  /** Reads a watched key and tells who does not know; again when asked meanwhile; then after a while. */
  #read(watched: Watched): void {
    if (watched.reading) {
      watched.isStale = true;
      return;
    }
    watched.timer?.cancel();
    watched.reading = this.#tellNews(watched).finally(() => {
      watched.reading = undefined;
      if (this.#isClosed || watched.watchers.size === 0) return;
      if (watched.isStale) {
        watched.isStale = false;
        this.#read(watched);
        return;
      }
      const { timers, pollMs = 5_000 } = this.#options;
      watched.timer = timers.after(pollMs, () => this.#read(watched));
    });
  }

  /** Never rejects: with Redis away nothing is told. */
  async #tellNews(watched: Watched): Promise<void> {
    let found;
    try {
      found = await this.get(watched.key);
    } catch {
      return; // said by the client's own listener, and by whoever asks
    }
    const version = found?.version ?? '';
    for (const watcher of watched.watchers) {
      if (watcher.told === version) continue;
      watcher.told = version;
      watcher.onChange(found?.value);
    }
  }

  /**
   * One question with its deadline, connecting included. The server may still carry out a question that was
   * given up.
   */
  async #ask<T>(what: string, key: string, question: (client: RedisClient) => Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.#options.timers.after(this.#timeoutMs, () =>
      reject(new Error(this.#lastError ?? `no answer in ${this.#timeoutMs} ms`)),
    );
    try {
      if (this.#isClosed) throw new Error('closed');
      return await Promise.race([this.#whenReady().then(() => question(this.#client)), late]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new LokiError('unavailable', `ring store: ${what} ${key}: ${reason}`, { cause: error });
    } finally {
      timer.cancel();
    }
  }

  async #whenReady(): Promise<void> {
    if (this.#client.status === 'ready') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#client.once('ready', resolve);
    const timer = this.#options.timers.after(this.#timeoutMs, () => {
      this.#client.off('ready', resolve);
    });
    await promise;
    timer.cancel();
  }
}
