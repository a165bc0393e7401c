import type { Clock, LeafDelete, LeafRequest } from '@loki/ports';
import type { DeleteRequests } from './delete-requests.ts';
import { expiredRows } from './retention.ts';
import type { RetentionLimits } from './retention.ts';

export interface HiddenRowsOptions {
  readonly clock: Clock;
  /** Absent: nobody may delete. */
  readonly requests?: DeleteRequests;
  /** Absent: everything is kept for ever. */
  readonly retention?: (tenant: string) => RetentionLimits;
}

/** What answers leave out although it is still stored: deleted entries at once, expired ones to the millisecond. */
export class HiddenRows {
  readonly #options: HiddenRowsOptions;

  constructor(options: HiddenRowsOptions) {
    this.#options = options;
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

  /** The same leaf, told what to leave out. `window`: the time its rows stand in. */
  apply<T extends LeafRequest>(request: T, window: { startNs: bigint; endNs: bigint }): T {
    const hidden = this.between(request.tenant, window.startNs, window.endNs);
    return hidden.length === 0 ? request : { ...request, deletes: [...(request.deletes ?? []), ...hidden] };
  }
}
