/** Distributes days over compactors by the ring: step *share* of a stored day. */
import type { CompactorDeps } from './deps.ts';

/** This compactor's share of the work; the ring assigns each key to one compactor. */
export interface CompactorShare {
  owns(key: string): boolean;
}

/** Work keys: days by tenant and date. The work that is done once for all tenants is one more key. */
export function sharedWork(share: CompactorShare): Required<Pick<CompactorDeps, 'owns' | 'sweeps'>> {
  return {
    owns: (tenant, day) => share.owns(`${tenant}/${day}`),
    // No tenant id has a slash, so this key is no tenant's.
    sweeps: () => share.owns('sweep/'),
  };
}
