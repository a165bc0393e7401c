import type { TenantId } from '@loki/model';

/** Who asks. `isMulti`: the request named several tenants, so answers carry the tenant label. */
export interface Tenancy {
  /** Sorted, each once. */
  readonly ids: readonly TenantId[];
  readonly isMulti: boolean;
}
