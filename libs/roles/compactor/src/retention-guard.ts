/** Checks the clock before each sweep: a clock that is days ahead would expire everything. */
import { expiredRows } from '@loki/catalog';
import { nsPerMs } from '@loki/model';
import type { CompactorDeps } from './deps.ts';

/** A row younger than this confirms the clock; a longer time without rows may be a jump of the clock. */
const confirmedMs = 24 * 3_600_000;
/** Largest difference between a confirmed clock and the monotonic one: leap seconds, steps of NTP. */
const driftMaxMs = 3_600_000;
const [timeMinNs, timeMaxNs] = [-(1n << 63n), (1n << 63n) - 1n];

/**
 * Withholds retention while the clock is doubtful and a sweep would remove more than `retentionShareMax` of
 * the rows. A row younger than a day confirms the clock; afterwards the monotonic clock does, so that a store
 * without new rows expires normally. A process that starts with old rows only, or whose clock jumps ahead,
 * waits for a larger share. New rows of senders with the same wrong clock prove nothing: they are separated
 * from the old rows by a time without rows, as long as the jump. If most rows would be expired even without
 * that time, the retention period was shortened, and retention continues.
 */
export class RetentionGuard {
  readonly #deps: CompactorDeps;
  /** Both clocks at the last confirmation. */
  #confirmed: { readonly nowMs: number; readonly monotonicMs: number } | undefined;

  constructor(deps: CompactorDeps) {
    this.#deps = deps;
  }

  /** Call this with a fresh catalog, before a round removes anything. */
  withholds(): boolean {
    const { clock, options, logger } = this.#deps;
    if (!options.removesRows || options.retentionShareMax >= 1) return false;
    const [nowMs, monotonicMs] = [clock.nowMs(), clock.monotonicMs()];
    const { rows, expired, newestNs } = this.#count(nowMs);
    const newestAgeMs = rows === 0 ? 0 : nowMs - Number(newestNs / nsPerMs);
    const sweepMax = options.retentionShareMax * rows;
    if (expired > sweepMax && !this.#isTrusted(nowMs, monotonicMs)) {
      const gapMs = this.#longestGapMs(nowMs);
      if (gapMs > confirmedMs && this.#count(nowMs - gapMs).expired <= sweepMax) {
        logger.error(
          'retention is withheld: it would remove most of the store, behind a long time without rows. Is the clock right? If so, start with -compactor.retention-max-share=1',
          { rows, expired, newestAgeHours: hoursOf(newestAgeMs), gapHours: hoursOf(gapMs) },
        );
        return true;
      }
    }
    if (newestAgeMs <= confirmedMs) this.#confirmed = { nowMs, monotonicMs };
    return false;
  }

  #isTrusted(nowMs: number, monotonicMs: number): boolean {
    const confirmed = this.#confirmed;
    if (!confirmed) return false;
    return nowMs - confirmed.nowMs - (monotonicMs - confirmed.monotonicMs) <= driftMaxMs;
  }

  #count(nowMs: number): { rows: number; expired: number; newestNs: bigint } {
    let [rows, expired, newestNs] = [0, 0, timeMinNs];
    for (const { maxNs, rowCount, isExpired } of this.#stored(nowMs)) {
      rows += rowCount;
      if (isExpired) expired += rowCount;
      if (maxNs > newestNs) newestNs = maxNs;
    }
    return { rows, expired, newestNs };
  }

  /** The longest time without rows between the youngest expired row and now. */
  #longestGapMs(nowMs: number): number {
    const nowNs = BigInt(nowMs) * nsPerMs;
    const fresh: StoredRows[] = [];
    let reachedNs = timeMinNs;
    for (const stored of this.#stored(nowMs)) {
      if (!stored.isExpired) fresh.push(stored);
      else if (stored.maxNs > reachedNs) reachedNs = stored.maxNs;
    }
    fresh.sort((a, b) => (a.minNs < b.minNs ? -1 : 1));
    let gapNs = 0n;
    for (const { minNs, maxNs } of [...fresh, { minNs: nowNs, maxNs: nowNs }]) {
      if (minNs - reachedNs > gapNs) gapNs = minNs - reachedNs;
      if (maxNs > reachedNs) reachedNs = maxNs;
    }
    return Number(gapNs / nsPerMs);
  }

  *#stored(nowMs: number): Generator<StoredRows> {
    const { catalog, limits } = this.#deps;
    for (const tenant of catalog.tenants()) {
      const removals = expiredRows(limits.forTenant(tenant), nowMs);
      for (const { minNs, maxNs, rowCount } of catalog.segmentsFor(tenant, timeMinNs, timeMaxNs)) {
        yield { minNs, maxNs, rowCount, isExpired: removals.some(({ endNs }) => endNs > maxNs) };
      }
    }
  }
}

/** Rows of one tenant in one segment. */
interface StoredRows {
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly isExpired: boolean;
}

function hoursOf(ms: number): number {
  return Math.round(ms / 3_600_000);
}
