/** Estimates of the bytes that leaves would read, from the catalog: the basis of step *cut* of a query. */
import { ceilTo, floorTo } from '@loki/engine';
import { BoundedMap, hourNs } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, QuerierService } from '@loki/ports';

/** Bytes by time, spread evenly within each interval. */
export class Weights {
  readonly startNs: bigint;
  readonly intervalNs: bigint;
  readonly bytes: readonly number[];
  readonly total: number;

  constructor(startNs: bigint, intervalNs: bigint, bytes: readonly number[]) {
    this.startNs = startNs;
    this.intervalNs = intervalNs;
    this.bytes = bytes;
    this.total = bytes.reduce((sum, each) => sum + each, 0);
  }

  between(fromNs: bigint, toNs: bigint): number {
    const interval = Number(this.intervalNs);
    const from = Math.max(0, Number(fromNs - this.startNs) / interval);
    const to = Math.min(this.bytes.length, Number(toNs - this.startNs) / interval);
    let sum = 0;
    for (let i = Math.floor(from); i < to; i++) {
      sum += this.bytes[i] * (Math.min(to, i + 1) - Math.max(from, i));
    }
    return sum;
  }

  /** The same distribution over time, scaled to another total. */
  scaledTo(total: number): Weights {
    const factor = this.total === 0 ? 0 : total / this.total;
    return new Weights(
      this.startNs,
      this.intervalNs,
      this.bytes.map((each) => each * factor),
    );
  }
}

interface WeightRequest {
  readonly tenant: TenantId;
  /** Canonical LogQL. */
  readonly selector: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** Most intervals of a request; a longer range has longer intervals. */
const intervalsMax = 1000n;
/** Maximum age of cached weights: the panels of a dashboard ask for the same ones. */
const freshMs = 15_000;
const keptMax = 1000;

/**
 * The bytes that leaves would read, from catalogs and indexes. Estimates: plans use them, answers never do.
 */
export class WeightSource {
  readonly #querier: Pick<QuerierService, 'storedBytes' | 'streams'>;
  readonly #clock: Clock;
  readonly #cached = new BoundedMap<string, { readonly atMs: number; readonly value: Promise<unknown> }>(
    keptMax,
  );

  constructor(querier: Pick<QuerierService, 'storedBytes' | 'streams'>, clock: Clock) {
    this.#querier = querier;
    this.#clock = clock;
  }

  /**
   * Stored bytes that a selection reads, by time. Costs one lookup in the catalog. Only if the tenant has
   * more than `bytesEnough` in that time, the share of the selected streams is requested, which opens
   * segments.
   */
  async of(request: WeightRequest, bytesEnough: number, signal: AbortSignal): Promise<Weights> {
    const all = await this.stored(request, signal);
    if (all.total <= bytesEnough) return all;
    const selected = await this.selectedBytes(request, signal);
    return selected < all.total ? all.scaledTo(selected) : all;
  }

  /** Line bytes of the selected streams. */
  selectedBytes(request: WeightRequest, signal: AbortSignal): Promise<number> {
    const { tenant, selector } = request;
    const startNs = floorTo(request.startNs, hourNs);
    const endNs = ceilTo(request.endNs, hourNs);
    return this.#remember(
      `${tenant}\0${startNs}\0${endNs}\0${selector}`,
      async () => {
        const streams = await this.#querier.streams({ tenant, selector, startNs, endNs }, signal);
        return streams.reduce((sum, { lineBytes }) => sum + lineBytes, 0);
      },
      signal,
    );
  }

  /** Line bytes that the tenant has in the store, over all streams. */
  stored({ tenant, startNs, endNs }: Omit<WeightRequest, 'selector'>, signal: AbortSignal): Promise<Weights> {
    let intervalNs = hourNs;
    while ((endNs - startNs) / intervalNs > intervalsMax) intervalNs *= 2n;
    const fromNs = floorTo(startNs, intervalNs);
    const toNs = ceilTo(endNs, intervalNs);
    return this.#remember(
      `${tenant}\0${fromNs}\0${toNs}`,
      async () => {
        const request = { tenant, startNs: fromNs, endNs: toNs, intervalNs };
        return new Weights(fromNs, intervalNs, await this.#querier.storedBytes(request, signal));
      },
      signal,
    );
  }

  /**
   * Shares one request between all callers of the same key; a failure is not cached. If the owner of the
   * shared request cancels it, a waiting caller issues its own.
   */
  async #remember<T>(key: string, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const entry = this.#cached.get(key);
    if (entry && this.#clock.monotonicMs() - entry.atMs <= freshMs) {
      try {
        return (await entry.value) as T;
      } catch {
        signal.throwIfAborted();
      }
    }
    return this.#ask(key, ask);
  }

  #ask<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const value = ask();
    this.#cached.set(key, { atMs: this.#clock.monotonicMs(), value });
    value.catch(() => {
      if (this.#cached.get(key)?.value === value) this.#cached.delete(key);
    });
    return value;
  }
}
