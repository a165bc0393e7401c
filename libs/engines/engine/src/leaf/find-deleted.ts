import { emptyLeafStats } from '@loki/ports';
import type { LeafDelete, WorkerEnv } from '@loki/ports';
import { findCandidates } from './block-candidates.ts';
import type { Candidate } from './block-candidates.ts';
import { Deletes } from './deletes.ts';
import { LeafCache } from './leaf-cache.ts';
import { openSection } from './section-reader.ts';
import type { LeafSource } from './section-reader.ts';

/** Rows of one block, ascending. */
interface DeletedRows {
  readonly block: number;
  readonly rows: Uint32Array;
}

/**
 * The rows of a tenant's section that deletes take, by block; blocks that keep all of theirs are left out.
 * Reads what the deletes look at: for those without filters that is the index, and timestamps where they
 * cut a run.
 */
export async function findDeletedRows(
  source: LeafSource,
  tenant: string,
  deletes: readonly LeafDelete[],
  env: WorkerEnv,
): Promise<DeletedRows[]> {
  const finder = Deletes.of(deletes, LeafCache.of(env));
  const reader = finder && (await openSection(source, tenant, env, emptyLeafStats()));
  if (!finder || !reader) return [];
  const { minNs: fromNs, maxNs: toNs } = reader.section;
  const found: DeletedRows[] = [];
  for (const candidate of findCandidates(reader, 0, { selector: [], shard: undefined, fromNs, toNs })) {
    const [kept] = finder.apply([candidate]);
    const some = kept?.touched ? await finder.rowsOf(kept) : undefined;
    const rows = withStruckRuns(candidate, kept, some);
    reader.release(candidate.info);
    if (rows.length > 0) found.push({ block: candidate.info.index, rows });
  }
  return found;
}

function withStruckRuns(
  { runs, info }: Candidate,
  kept: Candidate | undefined,
  some: Uint32Array | undefined,
): Uint32Array {
  const left = new Set(kept?.runs);
  const isDeleted = new Uint8Array(info.rowCount);
  for (const row of some ?? []) isDeleted[row] = 1;
  const { firstRow } = info.runs;
  for (const run of runs) if (!left.has(run)) isDeleted.fill(1, firstRow[run], firstRow[run + 1]);
  const rows: number[] = [];
  isDeleted.forEach((flag, row) => {
    if (flag !== 0) rows.push(row);
  });
  return Uint32Array.from(rows);
}
