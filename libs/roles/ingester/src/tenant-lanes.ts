/**
 * Runs work on records in order for each tenant, in parallel between tenants: step *consume* of a written
 * line.
 */
import type { Clock } from '@loki/ports';

/** The works of one tenant, one after the other. */
interface Lane {
  /** Time of its first work. */
  readonly beganMs: number;
  works: number;
  tail: Promise<void>;
}

/**
 * Runs pieces of work on records: in order for each tenant, side by side for different tenants. After a
 * failure no further piece begins.
 */
export class TenantLanes {
  readonly #clock: Clock;
  readonly #onBytes: (difference: number) => void;
  readonly #lanes = new Map<string, Lane>();
  readonly #failure = Promise.withResolvers<never>();
  #hasFailed = false;
  #bytes = 0;
  #works = 0;
  #ended = Promise.withResolvers<void>();

  /**
   * @param onBytes called with the bytes of a piece that starts (positive) or ends (negative), also for
   *   pieces that never begin
   */
  constructor(clock: Clock, onBytes: (difference: number) => void = () => {}) {
    this.#clock = clock;
    this.#onBytes = onBytes;
    // The waiting callers receive the failure.
    this.#failure.promise.catch(() => undefined);
  }

  /** Rejects with the error of the first work that fails. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  /**
   * The longest time for which one of these tenants has had work without a break; undefined: no tenant has
   * work.
   */
  busyMs(tenants: readonly string[]): number | undefined {
    let longest: number | undefined;
    for (const tenant of tenants) {
      const lane = this.#lanes.get(tenant);
      if (lane) longest = Math.max(longest ?? 0, this.#clock.monotonicMs() - lane.beganMs);
    }
    return longest;
  }

  /** Begins a work of these tenants once all their earlier works have ended. */
  run(tenants: readonly string[], bytes: number, work: () => Promise<void>): void {
    this.#bytes += bytes;
    this.#onBytes(bytes);
    this.#works++;
    const before = tenants.flatMap((tenant) => this.#lanes.get(tenant)?.tail ?? []);
    const beginning =
      before.length === 0 ? this.#begin(work) : Promise.all(before).then(() => this.#begin(work));
    const tail = beginning.then(() => {
      this.#bytes -= bytes;
      this.#onBytes(-bytes);
      this.#works--;
      for (const tenant of tenants) {
        const lane = this.#lanes.get(tenant)!;
        if (--lane.works === 0) this.#lanes.delete(tenant);
      }
      this.#ended.resolve();
      this.#ended = Promise.withResolvers();
    });
    for (const tenant of tenants) {
      const lane = this.#lanes.get(tenant) ?? { beganMs: this.#clock.monotonicMs(), works: 0, tail };
      lane.works++;
      lane.tail = tail;
      this.#lanes.set(tenant, lane);
    }
  }

  /** Resolves when the running works are below both bounds; rejects when a work has failed. */
  async room({ bytes, works }: { readonly bytes: number; readonly works: number }): Promise<void> {
    while (this.#bytes >= bytes || this.#works >= works) await this.#ended.promise;
    if (this.#hasFailed) await this.#failure.promise;
  }

  /** Resolves when these tenants, or all, have no work: at once when a work has failed. */
  async idle(tenants: readonly string[] = [...this.#lanes.keys()]): Promise<void> {
    await Promise.all(tenants.flatMap((tenant) => this.#lanes.get(tenant)?.tail ?? []));
  }

  async #begin(work: () => Promise<void>): Promise<void> {
    if (this.#hasFailed) return;
    try {
      await work();
    } catch (error) {
      this.#hasFailed = true;
      this.#failure.reject(error);
    }
  }
}
