import type { TenantId } from '@loki/model';

/** The tenants of a request. `isMulti`: it named several, so answers carry the tenant label. */
export interface Tenancy {
  /** Sorted, each once. */
  readonly ids: readonly TenantId[];
  readonly isMulti: boolean;
}
