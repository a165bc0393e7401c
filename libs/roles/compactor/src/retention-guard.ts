/** Before a sweep: a machine whose clock is days ahead would take everything for expired. */
import { expiredRows } from '@loki/catalog';
import { nsPerMs } from '@loki/model';
import type { CompactorDeps } from './deps.ts';

/** A store with a younger row than this confirms the clock. */
const confirmedMs = 24 * 3_600_000;
const [timeMinNs, timeMaxNs] = [-(1n << 63n), (1n << 63n) - 1n];

/**
 * Withholds retention while the store that this process found at its start makes the clock doubtful: its
 * newest row is older than a day, and more than `retentionShareMax` of its rows would go. The next start with
 * a younger row, or a larger share, lets it go on.
 */
export class RetentionGuard {
  readonly #deps: CompactorDeps;
  /** Age of the newest row at the first look, by the clock in doubt; undefined: not looked yet. */
  #startAgeMs: number | undefined;

  constructor(deps: CompactorDeps) {
    this.#deps = deps;
  }

  /** Call it when the catalog is fresh, before a round removes anything. */
  withholds(): boolean {
    const { clock, options, logger } = this.#deps;
    if (!options.removesRows || options.retentionShareMax >= 1) return false;
    const { rows, expired, newestNs } = this.#count();
    this.#startAgeMs ??= rows === 0 ? 0 : clock.nowMs() - Number(newestNs / nsPerMs);
    if (this.#startAgeMs <= confirmedMs || expired <= options.retentionShareMax * rows) return false;
    logger.error(
      'retention is withheld: it would remove most of the store, whose newest row is old. Is the clock right? If so, start with -compactor.retention-max-share=1',
      { rows, expired, newestAgeHours: Math.round(this.#startAgeMs / 3_600_000) },
    );
    return true;
  }

  #count(): { rows: number; expired: number; newestNs: bigint } {
    const { catalog, clock, limits } = this.#deps;
    let [rows, expired, newestNs] = [0, 0, timeMinNs];
    for (const tenant of catalog.tenants()) {
      const removals = expiredRows(limits.forTenant(tenant), clock.nowMs());
      for (const { maxNs, rowCount } of catalog.segmentsFor(tenant, timeMinNs, timeMaxNs)) {
        rows += rowCount;
        if (removals.some(({ endNs }) => endNs > maxNs)) expired += rowCount;
        if (maxNs > newestNs) newestNs = maxNs;
      }
    }
    return { rows, expired, newestNs };
  }
}
