/** The tenants of a request: step *admit*. */
import type { TenantId } from '@loki/model';

/** The tenants of a request. `isMulti`: the request named several, so answers carry the tenant label. */
export interface Tenancy {
  /** Sorted, each once. */
  readonly ids: readonly TenantId[];
  readonly isMulti: boolean;
}

/** The tenants of a request as one text, as the tenant header names them: for logs, traces, and as a key. */
export function tenantsText({ ids }: Pick<Tenancy, 'ids'>): string {
  return ids.join('|');
}
