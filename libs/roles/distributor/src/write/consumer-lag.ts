/**
 * Delays tenants whose records the head of this process cannot consume in time: step *batch* of a written
 * line.
 */
import type { TenantId } from '@loki/model';
import type { Clock, Timers } from '@loki/ports';

/** Microseconds, by tenant, that a head needs to consume rows which are on their way to it. */
export type ConsumeCosts = Map<TenantId, number>;

/**
 * Approximate cost to encode and consume a run of rows of one stream, each row that has to be compared, each
 * KiB, and each name of metadata, which is a column.
 */
const runMicros = 5;
const rowMicros = 2;
const kibMicros = 1;
const nameMicros = 25;

/**
 * A tenant with more on its way waits before it writes again: large pushes come as fast as the head takes
 * them, and the bytes between log and head are bounded.
 */
const tenantMicrosMax = 100_000;

/**
 * A head that takes nothing for this long waits for a flush, or for the store: the log then takes pushes
 * without waiting.
 */
const standstillMs = 1_000;

/** Rows of a batch, or the rows that one run has added. */
interface WrittenRows {
  readonly rowCount: number;
  readonly byteSize: number;
  readonly nameCount: number;
}

/** The cost of a run, from its writer's sums before and after it. */
export function consumeMicros(before: WrittenRows, after: WrittenRows): number {
  const rows = after.rowCount - before.rowCount;
  const kib = (after.byteSize - before.byteSize) / 1024;
  const names = after.nameCount - before.nameCount;
  return runMicros + rows * rowMicros + kib * kibMicros + names * nameMicros;
}

interface AppendedRows {
  readonly offset: number;
  readonly micros: number;
}

/** The rows of one tenant on their way. */
interface TenantLag {
  micros: number;
  /**
   * For each partition: rows in the log that the head does not have yet, by rising offset, and the offset
   * that the head has reached.
   */
  readonly appended: Map<number, AppendedRows[]>;
  readonly consumedOffsets: Map<number, number>;
  /** The last time at which the head took rows, or had none to take. */
  movedMs: number;
  /** Resolves when the head takes rows. */
  moved: PromiseWithResolvers<void> | undefined;
}

/**
 * Rows that were written to batches and have not entered a head yet, as the time that the head will need for
 * them. Only a head in this process counts: rows for heads in other processes are not reported here, and
 * pushes do not wait for them.
 */
export class ConsumerLag {
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** Tenants with rows on their way. */
  readonly #tenants = new Map<TenantId, TenantLag>();

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Adds rows that were written to a batch. */
  wrote(tenant: TenantId, micros: number): void {
    let lag = this.#tenants.get(tenant);
    if (!lag) {
      const movedMs = this.#clock.monotonicMs();
      lag = { micros: 0, appended: new Map(), consumedOffsets: new Map(), movedMs, moved: undefined };
      this.#tenants.set(tenant, lag);
    }
    lag.micros += micros;
  }

  /** The log has the rows of a batch, up to and with those at `offset`. */
  appended(partition: number, offset: number, costs: ConsumeCosts): void {
    for (const [tenant, micros] of costs) {
      const lag = this.#tenants.get(tenant);
      if (!lag) continue;
      // The head may have them before the log has answered.
      if (offset < (lag.consumedOffsets.get(partition) ?? 0)) this.#take(tenant, lag, micros);
      else {
        const appended = lag.appended.get(partition);
        if (appended) appended.push({ offset, micros });
        else lag.appended.set(partition, [{ offset, micros }]);
      }
    }
  }

  /** The log did not store the rows. */
  lost(costs: ConsumeCosts): void {
    for (const [tenant, micros] of costs) {
      const lag = this.#tenants.get(tenant);
      if (lag) this.#take(tenant, lag, micros);
    }
  }

  /** The head of a partition has all rows below `offset`, of these tenants or of all. */
  consumed(partition: number, offset: number, tenants: Iterable<string> = this.#tenants.keys()): void {
    for (const name of tenants) {
      const tenant = name as TenantId;
      const lag = this.#tenants.get(tenant);
      if (!lag) continue;
      lag.consumedOffsets.set(partition, Math.max(offset, lag.consumedOffsets.get(partition) ?? 0));
      const appended = lag.appended.get(partition) ?? [];
      let count = 0;
      let micros = 0;
      while (count < appended.length && appended[count].offset < offset) micros += appended[count++].micros;
      appended.splice(0, count);
      // At its start the head reads earlier records of the log: no push waits for those.
      if (count > 0) this.#take(tenant, lag, micros);
    }
  }

  /** Undefined: the tenant may write now. Otherwise resolves when it may. */
  room(tenant: TenantId): Promise<void> | undefined {
    return this.#hasRoom(tenant) ? undefined : this.#waitForRoom(tenant);
  }

  async #waitForRoom(tenant: TenantId): Promise<void> {
    while (!this.#hasRoom(tenant)) {
      const lag = this.#tenants.get(tenant)!;
      const moved = (lag.moved ??= Promise.withResolvers());
      const timer = this.#timers.after(standstillMs, () => {
        if (lag.moved === moved) lag.moved = undefined;
        moved.resolve();
      });
      await moved.promise;
      timer.cancel();
    }
  }

  #hasRoom(tenant: TenantId): boolean {
    const lag = this.#tenants.get(tenant);
    if (!lag || lag.micros < tenantMicrosMax) return true;
    return this.#clock.monotonicMs() - lag.movedMs >= standstillMs;
  }

  #take(tenant: TenantId, lag: TenantLag, micros: number): void {
    lag.micros -= micros;
    lag.movedMs = this.#clock.monotonicMs();
    // Sums of fractions may end slightly off zero.
    if (lag.micros < 1) this.#tenants.delete(tenant);
    lag.moved?.resolve();
    lag.moved = undefined;
  }
}
