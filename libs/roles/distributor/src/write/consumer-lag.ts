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
 * A tenant with more unconsumed rows than this waits before it writes again: its large pushes then arrive as
 * fast as the head consumes them, and the bytes between log and head are bounded.
 */
const tenantMicrosMax = 100_000;

/**
 * A head that consumes no row for this long waits for a flush or for the store: pushes then no longer wait
 * for it.
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
   * The rows of one partition that the log has and the head has not consumed, by rising offset, and the
   * head's offset.
   */
  readonly appended: Map<number, AppendedRows[]>;
  readonly consumedOffsets: Map<number, number>;
  /** Time at which the head last consumed rows, or had none to consume. */
  progressMs: number;
  /** Resolves when the head consumes rows. */
  progress: PromiseWithResolvers<void> | undefined;
}

/**
 * The cost for the head, in microseconds, of rows that are in batches or in the log and not yet in the head.
 * Covers heads of this process only: pushes do not wait for heads of other processes.
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
      const progressMs = this.#clock.monotonicMs();
      lag = { micros: 0, appended: new Map(), consumedOffsets: new Map(), progressMs, progress: undefined };
      this.#tenants.set(tenant, lag);
    }
    lag.micros += micros;
  }

  /** The log has the rows of a batch, up to and with those at `offset`. */
  appended(partition: number, offset: number, costs: ConsumeCosts): void {
    for (const [tenant, micros] of costs) {
      const lag = this.#tenants.get(tenant);
      if (!lag) continue;
      // The head may consume rows before the log has acknowledged them.
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
      const progress = (lag.progress ??= Promise.withResolvers());
      const timer = this.#timers.after(standstillMs, () => {
        if (lag.progress === progress) lag.progress = undefined;
        progress.resolve();
      });
      await progress.promise;
      timer.cancel();
    }
  }

  #hasRoom(tenant: TenantId): boolean {
    const lag = this.#tenants.get(tenant);
    if (!lag || lag.micros < tenantMicrosMax) return true;
    return this.#clock.monotonicMs() - lag.progressMs >= standstillMs;
  }

  #take(tenant: TenantId, lag: TenantLag, micros: number): void {
    lag.micros -= micros;
    lag.progressMs = this.#clock.monotonicMs();
    // Sums of fractions may end slightly off zero.
    if (lag.micros < 1) this.#tenants.delete(tenant);
    lag.progress?.resolve();
    lag.progress = undefined;
  }
}
