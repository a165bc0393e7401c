/** Finds the rows that a compactor must remove: step *delete, expire* of a stored day. */
import { emptyLeafStats } from '@loki/ports';
import type { LeafDelete, WorkerEnv } from '@loki/ports';
import { findCandidates } from './block-candidates.ts';
import type { Candidate } from './block-candidates.ts';
import { Deletes } from './deletes.ts';
import { LeafCache } from './leaf-cache.ts';
import { openSection } from './open-section.ts';
import type { LeafSource } from './open-section.ts';

/** Rows of one block, ascending. */
interface DeletedRows {
  readonly block: number;
  readonly rows: Uint32Array;
}

/**
 * The rows of a tenant's section that deletes affect, by block; blocks without such rows are left out. It
 * reads the columns that the deletes test: for deletes without filters only the index, and timestamps of
 * partly affected runs.
 */
export async function findDeletedRows(
  source: LeafSource,
  tenant: string,
  deletes: readonly LeafDelete[],
  env: WorkerEnv,
): Promise<DeletedRows[]> {
  const finder = Deletes.of(deletes, LeafCache.of(env));
  const reader = finder && (await openSection(source, tenant, env, { stats: emptyLeafStats() }));
  if (!finder || !reader) return [];
  const { minNs: fromNs, maxNs: toNs } = reader.section;
  const deleted: DeletedRows[] = [];
  for (const candidate of findCandidates(reader, 0, { selector: [], shard: undefined, fromNs, toNs })) {
    const [remaining] = finder.apply([candidate]);
    const deletedRows = remaining?.affected ? await finder.rowsOf(remaining) : undefined;
    const rows = withStruckRuns(candidate, remaining, deletedRows);
    reader.release(candidate.info);
    if (rows.length > 0) deleted.push({ block: candidate.info.index, rows });
  }
  return deleted;
}

function withStruckRuns(
  { runs, info }: Candidate,
  remaining: Candidate | undefined,
  deletedRows: Uint32Array | undefined,
): Uint32Array {
  const runsLeft = new Set(remaining?.runs);
  const isDeleted = new Uint8Array(info.rowCount);
  for (const row of deletedRows ?? []) isDeleted[row] = 1;
  const { firstRow } = info.runs;
  for (const run of runs) if (!runsLeft.has(run)) isDeleted.fill(1, firstRow[run], firstRow[run + 1]);
  const rows: number[] = [];
  isDeleted.forEach((flag, row) => {
    if (flag !== 0) rows.push(row);
  });
  return Uint32Array.from(rows);
}
