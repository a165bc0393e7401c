import type { TenantId } from '@loki/model';
import type { Clock, Timers } from '@loki/ports';

/** Microseconds, by tenant, that a head takes to consume rows which are on their way to it. */
export type ConsumeCosts = Map<TenantId, number>;

/**
 * About what a head needs for a run of rows of one stream, for each row that it has to compare, and for each
 * KiB of lines.
 */
const runMicros = 5;
const rowMicros = 2;
const kibMicros = 1;

/**
 * A tenant with so much on its way waits before it writes more. Queries of all tenants wait for what stands
 * before their own rows in the log, so that this is the longest that one tenant adds to their time.
 */
const tenantMicrosMax = 100_000;

/**
 * A head that consumes nothing for so long waits for something else, a flush or the store: the log takes all.
 */
const standstillMs = 1_000;

export function consumeMicros(runs: number, rows: number, bytes: number): number {
  return runs * runMicros + rows * rowMicros + (bytes / 1024) * kibMicros;
}

interface Appended {
  readonly offset: number;
  readonly costs: ConsumeCosts;
}

/**
 * Rows that were written to batches and have not entered a head yet, as the time that they will take there.
 * The head is one of this process: where it is elsewhere, nothing is told of it and nobody waits.
 */
export class ConsumerLag {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #byTenant: ConsumeCosts = new Map();
  /** For each partition: batches that the log has, by rising offset, and where its head stands. */
  readonly #appended: Appended[][];
  readonly #consumedOffsets: number[];
  #movedMs: number;
  #moved = Promise.withResolvers<void>();
  #waiting = 0;

  constructor(partitionCount: number, { clock, timers }: { clock: Clock; timers: Timers }) {
    this.#clock = clock;
    this.#timers = timers;
    this.#appended = Array.from({ length: partitionCount }, () => []);
    this.#consumedOffsets = Array.from({ length: partitionCount }, () => 0);
    this.#movedMs = clock.monotonicMs();
  }

  /** Rows were written to a batch. */
  wrote(tenant: TenantId, micros: number): void {
    // The head had nothing to do: it stands still from now on at the earliest.
    if (this.#byTenant.size === 0) this.#movedMs = this.#clock.monotonicMs();
    this.#byTenant.set(tenant, (this.#byTenant.get(tenant) ?? 0) + micros);
  }

  /** The log has the rows, up to and with those at `offset`. */
  appended(partition: number, offset: number, costs: ConsumeCosts): void {
    if (offset < this.#consumedOffsets[partition]) this.gone(costs);
    else this.#appended[partition].push({ offset, costs });
  }

  /** The rows are in a head, or will never come there. */
  gone(costs: ConsumeCosts): void {
    for (const [tenant, micros] of costs) {
      const rest = (this.#byTenant.get(tenant) ?? 0) - micros;
      // Sums of fractions may end a little beside zero.
      if (rest < 1) this.#byTenant.delete(tenant);
      else this.#byTenant.set(tenant, rest);
    }
  }

  /** The head of a partition holds all records below `offset`. */
  consumed(partition: number, offset: number): void {
    this.#consumedOffsets[partition] = offset;
    const appended = this.#appended[partition];
    let count = 0;
    while (count < appended.length && appended[count].offset < offset) this.gone(appended[count++].costs);
    appended.splice(0, count);
    this.#movedMs = this.#clock.monotonicMs();
    if (this.#waiting === 0) return;
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  /** Undefined: the tenant may write now. Otherwise resolves when it may. */
  room(tenant: TenantId): Promise<void> | undefined {
    return this.#hasRoom(tenant) ? undefined : this.#waitForRoom(tenant);
  }

  async #waitForRoom(tenant: TenantId): Promise<void> {
    this.#waiting++;
    try {
      while (!this.#hasRoom(tenant)) {
        const standstill = Promise.withResolvers<void>();
        const timer = this.#timers.after(standstillMs, standstill.resolve);
        await Promise.race([this.#moved.promise, standstill.promise]);
        timer.cancel();
      }
    } finally {
      this.#waiting--;
    }
  }

  #hasRoom(tenant: TenantId): boolean {
    const micros = this.#byTenant.get(tenant) ?? 0;
    return micros < tenantMicrosMax || this.#clock.monotonicMs() - this.#movedMs >= standstillMs;
  }
}
