/** Deleted and expired rows that are still stored: step *delete, expire* of a stored day. */
import type { Clock, LeafDelete, LeafRequest } from '@loki/ports';
import type { DeleteRequests } from './delete-requests.ts';
import { expiredRows } from './retention.ts';
import type { RetentionLimits } from './retention.ts';

interface HiddenRowsOptions {
  readonly clock: Clock;
  /** Absent: no tenant may delete. */
  readonly requests?: DeleteRequests;
  /** Absent: no retention. */
  readonly retention?: (tenant: string) => RetentionLimits;
}

/**
 * Rows that answers leave out although they are still stored: deleted entries from the request on, expired
 * ones to the millisecond.
 */
export class HiddenRows {
  readonly #options: HiddenRowsOptions;

  constructor(options: HiddenRowsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when `between` includes all deletes that were added before the call. Throws as `applied` does.
   */
  async current(signal?: AbortSignal): Promise<void> {
    await this.#options.requests?.current(signal);
  }

  /**
   * Runs `work`, which applies the deletes of this process, while it reads the store for newer requests. Runs
   * `work` again if a request was added before the call: a query that begins after a delete was answered
   * never sees the deleted rows. In the common case this costs no time.
   *
   * @throws LokiError `unavailable` when the store does not answer
   */
  async applied<T>(
    tenant: string,
    work: (signal: AbortSignal | undefined) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { requests } = this.#options;
    if (!requests) return work(signal);
    const generation = requests.state.generation(tenant);
    const outdated = new AbortController();
    const first = work(signal ? AbortSignal.any([signal, outdated.signal]) : outdated.signal);
    first.catch(() => undefined); // thrown below, when the result is the one to return
    try {
      await requests.current(signal);
    } catch (error) {
      outdated.abort(error);
      throw error;
    }
    if (requests.state.generation(tenant) === generation) return first;
    outdated.abort(new Error('entries were deleted meanwhile'));
    return work(signal);
  }

  /** Of a tenant's rows with startNs <= ts < endNs. */
  between(tenant: string, startNs: bigint, endNs: bigint): LeafDelete[] {
    const { clock, requests, retention } = this.#options;
    const expired = retention ? expiredRows(retention(tenant), clock.nowMs()) : [];
    return [
      ...(requests?.active(tenant, startNs, endNs) ?? []),
      ...expired.filter((each) => each.startNs < endNs && each.endNs > startNs),
    ];
  }

  /** The same leaf with the rows to leave out. `window`: the time range of its rows. */
  apply<T extends LeafRequest>(request: T, window: { startNs: bigint; endNs: bigint }): T {
    const hidden = this.between(request.tenant, window.startNs, window.endNs);
    return hidden.length === 0 ? request : { ...request, deletes: [...(request.deletes ?? []), ...hidden] };
  }
}
