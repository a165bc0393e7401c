/** Results in Redis, shared by queriers: step *recall* of a query. */
import { mib } from '@loki/model';
import type { Clock, Logger, ResultsCache, Timers } from '@loki/ports';

/** The commands in use of a Redis client. */
export interface RedisCommands {
  getBuffer(key: string): Promise<Buffer | null>;
  set(key: string, value: Buffer, unit: 'PX', ms: number): Promise<unknown>;
  disconnect(): void;
}

interface RedisResultsCacheOptions {
  readonly client: RedisCommands;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Stands before each key. */
  readonly prefix: string;
  readonly ttlMs: number;
  /** Deadline of one lookup; values that have not arrived by then count as absent. */
  readonly timeoutMs: number;
  /** Larger values are neither accepted nor written. */
  readonly valueBytesMax?: number;
  /** Maximum of bytes of unacknowledged writes; further values are dropped. */
  readonly writingBytesMax?: number;
}

const valueBytesMaxDefault = 8 * mib;
const writingBytesMaxDefault = 64 * mib;
/** Consecutive lookups without an answer in time after which lookups pause … */
const failuresMax = 5;
/** … for this long. */
const pauseMs = 10_000;

/**
 * Values in Redis, shared by all queriers. An unavailable, slow or wrong Redis costs time within the
 * deadline, never an answer.
 */
export class RedisResultsCache implements ResultsCache {
  readonly #options: RedisResultsCacheOptions;
  #failures = 0;
  #pausedUntilMs = -Infinity;
  #writingBytes = 0;

  constructor(options: RedisResultsCacheOptions) {
    this.#options = options;
  }

  async get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const values = keys.map((): Uint8Array | undefined => undefined);
    if (this.#isPaused || keys.length === 0) return values;
    const { client, timers, timeoutMs, prefix, valueBytesMax = valueBytesMaxDefault } = this.#options;
    let isOver = false;
    const answers = Promise.all(
      keys.map(async (key, i) => {
        const value = await client.getBuffer(prefix + key);
        if (!isOver && value && value.length <= valueBytesMax) values[i] = value;
      }),
    ).then(
      () => undefined,
      (error: unknown) => error ?? new Error('unknown'),
    );
    const timeout = Promise.withResolvers<unknown>();
    const timer = timers.after(timeoutMs, () =>
      timeout.resolve(new Error(`no answer within ${timeoutMs} ms`)),
    );
    const failure = await Promise.race([answers, timeout.promise]);
    timer.cancel();
    isOver = true;
    this.#judge(failure);
    return values;
  }

  put(entries: readonly { readonly key: string; readonly value: Uint8Array }[]): void {
    if (this.#isPaused) return;
    const { client, prefix, ttlMs, valueBytesMax = valueBytesMaxDefault } = this.#options;
    const { writingBytesMax = writingBytesMaxDefault } = this.#options;
    for (const { key, value } of entries) {
      const bytes = value.length;
      if (bytes > valueBytesMax || this.#writingBytes + bytes > writingBytesMax) continue;
      this.#writingBytes += bytes;
      const buffer = Buffer.from(value.buffer, value.byteOffset, bytes);
      client
        .set(prefix + key, buffer, 'PX', ttlMs)
        // A result that is not cached is computed again.
        .catch((error: unknown) => this.#judge(error))
        .finally(() => (this.#writingBytes -= bytes));
    }
  }

  async close(): Promise<void> {
    this.#options.client.disconnect();
    return Promise.resolve();
  }

  get #isPaused(): boolean {
    return this.#options.clock.monotonicMs() < this.#pausedUntilMs;
  }

  #judge(failure: unknown): void {
    if (failure === undefined) {
      this.#failures = 0;
      return;
    }
    this.#failures += 1;
    if (this.#failures < failuresMax || this.#isPaused) return;
    const { clock, logger } = this.#options;
    this.#pausedUntilMs = clock.monotonicMs() + pauseMs;
    logger.warn('the results cache does not answer; queries go on without it', {
      err: failure instanceof Error ? failure.message : 'unknown',
      pauseMs,
    });
  }
}
