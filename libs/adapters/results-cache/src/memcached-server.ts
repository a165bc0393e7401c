/** One memcached server: connections, waiting requests and circuit breaker. */
import type { Clock, Timers } from '@loki/ports';
import { MemcachedConnection } from './memcached-connection.ts';
import type { MemcachedAddress, MemcachedTls } from './memcached-connection.ts';
import { ServerRefusal } from './memcached-protocol.ts';
import type { AnswerReader } from './memcached-protocol.ts';

interface MemcachedServerOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** One request, waiting for a connection included. */
  readonly timeoutMs: number;
  readonly connectionsMax: number;
  readonly tls?: MemcachedTls;
  readonly breaker: BreakerOptions;
  /** Called when the server is paused after failures, and when it answers again. */
  readonly onChange: (change: { readonly isGivenUp: boolean; readonly error?: Error }) => void;
}

/** The circuit breaker of a server that fails repeatedly. */
export interface BreakerOptions {
  /** 0: never. */
  readonly failures: number;
  /** 0: 60 s. */
  readonly openMs: number;
  /** Failures further apart do not count together; 0: they always do. */
  readonly intervalMs: number;
}

const openMsDefault = 60_000;
/** Most requests that wait for a connection; further ones fail at once. */
const waitingMax = 1_000;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One server with a bounded number of connections. */
export class MemcachedServer {
  readonly #address: MemcachedAddress;
  readonly #options: MemcachedServerOptions;
  /** Idle connections; the last used one is taken first, so that others may be closed for idleness. */
  readonly #idle: MemcachedConnection[] = [];
  readonly #open = new Set<MemcachedConnection>();
  /** Number of connections in use or being opened. */
  #busy = 0;
  readonly #waiting: Waiter[] = [];
  #failures = 0;
  #failedAtMs = -Infinity;
  #openUntilMs = -Infinity;
  #isGivenUp = false;
  #isClosed = false;

  constructor(address: MemcachedAddress, options: MemcachedServerOptions) {
    this.#address = address;
    this.#options = options;
  }

  /** @throws without a valid answer in time, and while the server is paused */
  async request<T>(command: Buffer, reader: AnswerReader<T>): Promise<T> {
    const { clock, timers, timeoutMs } = this.#options;
    const startedMs = clock.monotonicMs();
    if (this.#isClosed || startedMs < this.#openUntilMs) {
      throw new Error('the server is paused after failures');
    }
    const leftMs = () => Math.max(1, timeoutMs - (clock.monotonicMs() - startedMs));
    await this.#place(leftMs);
    let connection: MemcachedConnection | undefined;
    try {
      connection = this.#usable() ?? (await this.#connect(leftMs()));
      const answer = await connection.request(command, reader, timers, leftMs());
      this.#answered(connection);
      return answer;
    } catch (error) {
      if (error instanceof ServerRefusal) this.#answered(connection!);
      else this.#failed(error as Error);
      throw error;
    } finally {
      const next = this.#waiting.shift();
      if (next) next.resolve();
      else this.#busy--;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#open) connection.close();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the server is no longer configured'));
  }

  async #place(leftMs: () => number): Promise<void> {
    const { connectionsMax, timers } = this.#options;
    if (this.#busy < connectionsMax) {
      this.#busy++;
      return;
    }
    if (this.#waiting.length >= waitingMax) throw new Error('too many requests wait for a connection');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    this.#waiting.push(waiter);
    const timer = timers.after(leftMs(), () => {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(new Error('no connection was free in time'));
    });
    try {
      await promise;
    } finally {
      timer.cancel();
    }
  }

  #usable(): MemcachedConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (!connection || connection.isUsable) return connection;
      this.#open.delete(connection);
    }
  }

  async #connect(timeoutMs: number): Promise<MemcachedConnection> {
    const { tls, timers } = this.#options;
    const connection = await MemcachedConnection.open(this.#address, { tls, timers, timeoutMs });
    if (this.#isClosed) connection.close();
    for (const each of this.#open) if (!each.isUsable) this.#open.delete(each);
    this.#open.add(connection);
    return connection;
  }

  #answered(connection: MemcachedConnection): void {
    this.#idle.push(connection);
    this.#failures = 0;
    if (!this.#isGivenUp) return;
    this.#isGivenUp = false;
    this.#options.onChange({ isGivenUp: false });
  }

  /** Counts a failure. A paused server gets one attempt each time. */
  #failed(error: Error): void {
    const { clock, breaker, onChange } = this.#options;
    const nowMs = clock.monotonicMs();
    const isApart = breaker.intervalMs > 0 && nowMs - this.#failedAtMs > breaker.intervalMs;
    this.#failures = isApart ? 1 : this.#failures + 1;
    this.#failedAtMs = nowMs;
    if (breaker.failures <= 0 || this.#isClosed || nowMs < this.#openUntilMs) return;
    if (!this.#isGivenUp && this.#failures < breaker.failures) return;
    this.#openUntilMs = nowMs + (breaker.openMs || openMsDefault);
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    onChange({ isGivenUp: true, error });
  }
}
