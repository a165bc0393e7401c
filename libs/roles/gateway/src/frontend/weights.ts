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

  /** The same times with other bytes in all. */
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

/** Intervals asked for at most; a longer time has longer ones. */
const intervalsMax = 1000n;
/** Plans may rest on figures that are so old: panels of a dashboard ask for the same. */
const freshMs = 15_000;
const keptMax = 1000;

/**
 * The bytes that leaves would read, from what queriers know without reading lines. Estimates: plans rest on
 * them, never answers.
 */
export class WeightSource {
  readonly #querier: Pick<QuerierService, 'storedBytes' | 'streams'>;
  readonly #clock: Clock;
  readonly #kept = new BoundedMap<string, { readonly atMs: number; readonly value: Promise<unknown> }>(
    keptMax,
  );

  constructor(querier: Pick<QuerierService, 'storedBytes' | 'streams'>, clock: Clock) {
    this.#querier = querier;
    this.#clock = clock;
  }

  /**
   * Stored bytes that a selection reads by time. Costs a look at the catalog; only when the tenant has more
   * than `bytesEnough` in that time it is asked how many of them are of the selected streams, which opens
   * what lies there.
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

  /** Line bytes that the tenant has in the store, whatever the streams. */
  stored({ tenant, startNs, endNs }: Omit<WeightRequest, 'selector'>, signal: AbortSignal): Promise<Weights> {
    let intervalNs = hourNs;
    while ((endNs - startNs) / intervalNs > intervalsMax) intervalNs *= 2n;
    const fromNs = floorTo(startNs, intervalNs);
    const toNs = ceilTo(endNs, intervalNs);
    return this.#remember(
      `${tenant}\0${fromNs}\0${toNs}`,
      async () => {
        const asked = { tenant, startNs: fromNs, endNs: toNs, intervalNs };
        return new Weights(fromNs, intervalNs, await this.#querier.storedBytes(asked, signal));
      },
      signal,
    );
  }

  /**
   * One question at a time for the same thing; a failed one is not remembered. If the shared request is
   * cancelled by its owner, the waiter issues its own.
   */
  async #remember<T>(key: string, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const known = this.#kept.get(key);
    if (known && this.#clock.monotonicMs() - known.atMs <= freshMs) {
      try {
        return (await known.value) as T;
      } catch {
        signal.throwIfAborted();
      }
    }
    return this.#ask(key, ask);
  }

  #ask<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const value = ask();
    this.#kept.set(key, { atMs: this.#clock.monotonicMs(), value });
    value.catch(() => {
      if (this.#kept.get(key)?.value === value) this.#kept.delete(key);
    });
    return value;
  }
}
