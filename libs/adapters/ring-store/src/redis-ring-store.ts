/** The state of rings in Redis: heartbeats and tokens of all members. */
import { LokiError } from '@loki/model';
import type { Logger, Random, RingNews, RingPut, RingStore, TimerHandle, Timers } from '@loki/ports';
import { FormerRing } from './former-ring.ts';
import type { RedisAsk } from './former-ring.ts';
import { openRedis } from './redis-client.ts';
import type { RedisClient, RedisEndpointOptions } from './redis-client.ts';
import { parseNews, withoutOtherKinds } from './ring-news.ts';

export interface RedisRingStoreOptions {
  readonly endpoints: RedisEndpointOptions['endpoints'];
  readonly masterName?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls?: RedisEndpointOptions['tls'];
  /** Deadline of one command. Default 500 ms. */
  readonly timeoutMs?: number;
  /** Prefix of every key, so that other programs may use the same server. Default `loki:`. */
  readonly keyPrefix?: string;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
}

/**
 * A hash has a field for each member. KEYS: the hash; ARGV: field, value ('' for none), the expected value
 * ('*' for any, '' for none), message to send ('' for none), channel. Returns whether it was written.
 */
const putScript = `
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
local former = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if ARGV[3] ~= '*' and ARGV[3] ~= former then return 0 end
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[4]) end
return 1`;

/** A process reads a change by the former version within this time, at random; the first one writes it. */
const formerChangeMaxMs = 2_000;

interface Subscription {
  readonly key: string;
  readonly watchers: Set<(news: RingNews | undefined) => void>;
  /** Timer of the next read for changes by the former version. */
  timer: TimerHandle | undefined;
}

/**
 * Ring state in Redis: one server, a sentinel-watched one, or a cluster (each ring is a hash slot of its
 * own).
 *
 * Watchers receive changes by messages. After a lost connection they receive a note that messages may be
 * missing. While Redis is unavailable they receive nothing, and their last state stays in force. The client
 * reconnects by itself.
 */
export class RedisRingStore implements RingStore {
  readonly #options: RedisRingStoreOptions;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #client: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #former = new Map<string, FormerRing>();
  /** Receives the reason of a missing connection. */
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
    this.#subscriber.on('message', (channel: string, text: string) => this.#onMessage(channel, text));
    // Also after each reconnection, when messages may have been missed.
    this.#subscriber.on('ready', () => {
      for (const subscription of this.#subscriptions.values()) void this.#subscribe(subscription);
    });
  }

  entries(key: string): Promise<ReadonlyMap<string, string>> {
    return this.#formerOf(key).entries();
  }

  async get(key: string, id: string): Promise<string | undefined> {
    const answer = await this.#ask('get', key, (client) =>
      withoutOtherKinds(client.hget(this.#redisKey(key), id)),
    );
    if (answer === null || answer === undefined) return undefined;
    if (typeof answer !== 'string') throw unexpected('get', key);
    return answer;
  }

  async put({ key, id, value, isNews }: RingPut): Promise<void> {
    const news = isNews ? JSON.stringify([id, value]) : '';
    await this.#set(key, { id, value, expected: '*', news });
    if (isNews) await this.#formerOf(key).show();
  }

  async remove(key: string, id: string, value: string): Promise<boolean> {
    const isSet = await this.#set(key, { id, value: '', expected: value, news: JSON.stringify([id]) });
    if (isSet) await this.#formerOf(key).show(id);
    return isSet;
  }

  watch(key: string, onNews: (news: RingNews | undefined) => void): () => void {
    // Two watches may pass the same function; each is a watch of its own.
    const watcher = (news: RingNews | undefined): void => onNews(news);
    let subscription = this.#subscriptions.get(key);
    if (!subscription) {
      subscription = { key, watchers: new Set(), timer: undefined };
      this.#subscriptions.set(key, subscription);
    }
    subscription.watchers.add(watcher);
    void this.#subscribe(subscription);
    const ours = subscription;
    return () => {
      ours.watchers.delete(watcher);
      if (ours.watchers.size === 0) this.#forget(ours);
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const subscription of this.#subscriptions.values()) this.#forget(subscription);
    this.#client.disconnect();
    this.#subscriber.disconnect();
  }

  /** The braces make a ring's name the hash tag of all its keys. */
  #redisKey(key: string): string {
    return `${this.#formerKey(key)}/members`;
  }

  /** Where the former version keeps a ring. */
  #formerKey(key: string): string {
    return `${this.#prefix}{${key}}`;
  }

  #formerOf(key: string): FormerRing {
    let former = this.#former.get(key);
    if (!former) {
      const { random, logger } = this.#options;
      const ask: RedisAsk = (subject, question) => this.#ask(subject, key, question);
      former = new FormerRing({
        redisKey: this.#formerKey(key),
        random,
        logger,
        ask,
        read: () => this.#read(key),
        change: async ({ id, before = '', after = '' }) => {
          const news = JSON.stringify(after === '' ? [id] : [id, after]);
          await this.#set(key, { id, value: after, expected: before, news });
        },
      });
      this.#former.set(key, former);
    }
    return former;
  }

  async #read(key: string): Promise<ReadonlyMap<string, string>> {
    const answer = await this.#ask('read', key, (client) =>
      withoutOtherKinds(client.call('HGETALL', this.#redisKey(key))),
    );
    const texts: unknown = answer ?? [];
    if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string')) {
      throw unexpected('read', key);
    }
    const entries = new Map<string, string>();
    for (let i = 0; i + 1 < texts.length; i += 2) entries.set(texts[i], texts[i + 1]);
    return entries;
  }

  #set(
    key: string,
    { id, value, expected, news }: { id: string; value: string; expected: string; news: string },
  ): Promise<boolean> {
    const redisKey = this.#redisKey(key);
    return this.#ask('set', key, async (client) => {
      const isSet: unknown = await client.eval(putScript, 1, redisKey, id, value, expected, news, redisKey);
      if (isSet !== 0 && isSet !== 1) throw unexpected('set', key);
      return isSet === 1;
    });
  }

  #onMessage(channel: string, text: string): void {
    for (const subscription of this.#subscriptions.values()) {
      if (this.#redisKey(subscription.key) === channel) {
        const news = parseNews(text);
        for (const watcher of subscription.watchers) watcher(news);
      } else if (this.#formerKey(subscription.key) === channel) this.#onFormerChange(subscription, text);
    }
  }

  /** A process of the former version changed its value. */
  #onFormerChange(subscription: Subscription, version: string): void {
    const former = this.#formerOf(subscription.key);
    if (subscription.timer || former.isOurs(version)) return;
    subscription.timer = this.#options.timers.after(this.#options.random.float() * formerChangeMaxMs, () => {
      subscription.timer = undefined;
      void this.entries(subscription.key).catch(() => undefined); // the next read repeats the write
    });
  }

  #forget(subscription: Subscription): void {
    subscription.timer?.cancel();
    subscription.watchers.clear();
    if (this.#subscriptions.get(subscription.key) !== subscription) return;
    this.#subscriptions.delete(subscription.key);
    if (this.#subscriber.status === 'ready') {
      // A failure means that the subscription is gone, or goes with its connection.
      this.#subscriber.unsubscribe(...this.#channels(subscription)).catch(() => undefined);
    }
  }

  async #subscribe(subscription: Subscription): Promise<void> {
    if (this.#subscriber.status !== 'ready') return; // the connection subscribes when it is ready
    try {
      await this.#subscriber.subscribe(...this.#channels(subscription));
      // Messages may have been sent before the subscription.
      for (const watcher of subscription.watchers) watcher(undefined);
    } catch (error) {
      this.#options.logger?.debug('redis: could not subscribe; changes are found by reading', {
        err: reasonOf(error),
      });
    }
  }

  #channels({ key }: Subscription): string[] {
    return [this.#redisKey(key), this.#formerKey(key)];
  }

  /**
   * One command with its deadline, the connection included. The server may still execute an abandoned
   * command.
   */
  async #ask<T>(subject: string, key: string, question: (client: RedisClient) => Promise<T>): Promise<T> {
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const timer = this.#options.timers.after(this.#timeoutMs, () =>
      reject(new Error(this.#lastError ?? `no answer in ${this.#timeoutMs} ms`)),
    );
    try {
      if (this.#isClosed) throw new Error('closed');
      return await Promise.race([this.#whenReady().then(() => question(this.#client)), timeout]);
    } catch (error) {
      throw new LokiError('unavailable', `ring store: ${subject} ${key}: ${reasonOf(error)}`, {
        cause: error,
      });
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

function unexpected(subject: string, key: string): LokiError {
  return new LokiError('unavailable', `ring store: ${subject} ${key}: an answer of another kind`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
