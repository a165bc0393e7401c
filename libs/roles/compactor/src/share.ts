import type { CompactorDeps } from './deps.ts';

/**
 * One compactor's share of work that any of them could do; of each key one compactor owns it, as the ring
 * stands.
 */
export interface CompactorShare {
  owns(key: string): boolean;
}

/**
 * Days by tenant and date, each the work of one compactor. Work that is done once for all tenants is one more
 * piece.
 */
export function sharedWork(share: CompactorShare): Required<Pick<CompactorDeps, 'owns' | 'sweeps'>> {
  return {
    owns: (tenant, day) => share.owns(`${tenant}/${day}`),
    // No tenant's id has a slash, so this is nobody's day.
    sweeps: () => share.owns('sweep/'),
  };
}
