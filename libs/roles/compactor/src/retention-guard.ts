/** Before each sweep: a machine whose clock is days ahead would take everything for expired. */
import { expiredRows } from '@loki/catalog';
import { nsPerMs } from '@loki/model';
import type { CompactorDeps } from './deps.ts';

/** A store with a younger row than this confirms the clock. */
const confirmedMs = 24 * 3_600_000;
/** A clock that was confirmed may have run ahead of the monotonic one by this: leap seconds, steps of NTP. */
const driftMaxMs = 3_600_000;
const [timeMinNs, timeMaxNs] = [-(1n << 63n), (1n << 63n) - 1n];

/**
 * Withholds retention while the clock is doubtful and a sweep would remove more than `retentionShareMax` of
 * the rows. A row younger than a day confirms the clock, and from then on the monotonic clock does: a store
 * that receives nothing expires as it should. A process that starts with old rows alone, or whose clock jumps
 * ahead while it runs, waits for a younger row or a larger share.
 */
export class RetentionGuard {
  readonly #deps: CompactorDeps;
  /** Both clocks when a row confirmed the first one. */
  #confirmed: { readonly nowMs: number; readonly monotonicMs: number } | undefined;

  constructor(deps: CompactorDeps) {
    this.#deps = deps;
  }

  /** Call it when the catalog is fresh, before a round removes anything. */
  withholds(): boolean {
    const { clock, options, logger } = this.#deps;
    if (!options.removesRows || options.retentionShareMax >= 1) return false;
    const [nowMs, monotonicMs] = [clock.nowMs(), clock.monotonicMs()];
    const { rows, expired, newestNs } = this.#count(nowMs);
    const newestAgeMs = rows === 0 ? 0 : nowMs - Number(newestNs / nsPerMs);
    if (newestAgeMs <= confirmedMs) this.#confirmed = { nowMs, monotonicMs };
    if (this.#isTrusted(nowMs, monotonicMs) || expired <= options.retentionShareMax * rows) return false;
    logger.error(
      'retention is withheld: it would remove most of the store, whose newest row is old. Is the clock right? If so, start with -compactor.retention-max-share=1',
      { rows, expired, newestAgeHours: Math.round(newestAgeMs / 3_600_000) },
    );
    return true;
  }

  #isTrusted(nowMs: number, monotonicMs: number): boolean {
    const confirmed = this.#confirmed;
    if (!confirmed) return false;
    return nowMs - confirmed.nowMs - (monotonicMs - confirmed.monotonicMs) <= driftMaxMs;
  }

  #count(nowMs: number): { rows: number; expired: number; newestNs: bigint } {
    const { catalog, limits } = this.#deps;
    let [rows, expired, newestNs] = [0, 0, timeMinNs];
    for (const tenant of catalog.tenants()) {
      const removals = expiredRows(limits.forTenant(tenant), nowMs);
      for (const { maxNs, rowCount } of catalog.segmentsFor(tenant, timeMinNs, timeMaxNs)) {
        rows += rowCount;
        if (removals.some(({ endNs }) => endNs > maxNs)) expired += rowCount;
        if (maxNs > newestNs) newestNs = maxNs;
      }
    }
    return { rows, expired, newestNs };
  }
}
