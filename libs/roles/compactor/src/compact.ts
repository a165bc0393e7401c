/** Merges of one tenant's day: plan, merge, commit. Steps *plan* to *commit* of a stored day. */
import { dayNs, LokiError } from '@loki/model';
import type { LeafDelete } from '@loki/ports';
import { dayText } from './day-text.ts';
import type { CompactorDeps } from './deps.ts';
import { mergeDayTask } from './merge-day-task.ts';
import { isFinal, planDay } from './plan.ts';
import type { DayInventory, MergePlan } from './plan.ts';
import { replace } from './replace.ts';

/**
 * Merges of one day in one round; the remaining ones follow in the next round, so that all days take turns.
 */
const mergesMax = 64;

/** A tenant's segments of a day in the catalog. */
export function inventoryOf({ catalog }: CompactorDeps, tenant: string, day: number): DayInventory {
  const startNs = BigInt(day) * dayNs;
  const refs = catalog.segmentsFor(tenant, startNs, startNs + dayNs);
  const isShort = ({ minNs, maxNs }: { minNs: bigint; maxNs: bigint }) => catalog.isCompactable(minNs, maxNs);
  return {
    tenant,
    day,
    compacted: catalog.compacted.day(tenant, day)?.outputs ?? [],
    // A section over several days is clipped into parts when one of its days was replaced.
    flushed: unique(refs.filter((ref) => !ref.sources && isShort(ref))),
  };
}

function unique<T extends { readonly key: string }>(refs: readonly T[]): T[] {
  return [...new Map(refs.map((ref) => [ref.key, ref])).values()];
}

/**
 * Merges a day's segments until no merge is planned; returns the number of merges.
 *
 * @param isForced flushed segments are merged even if they are few or young
 */
export async function compactDay(
  deps: CompactorDeps,
  tenant: string,
  day: number,
  mergeOptions: { removals: readonly LeafDelete[]; isForced?: boolean; signal?: AbortSignal },
): Promise<number> {
  const { clock, options, metrics } = deps;
  for (let merges = 0; merges < mergesMax; merges++) {
    const plan = planDay(inventoryOf(deps, tenant, day), clock.nowMs(), options, mergeOptions.isForced);
    if (!plan) return merges;
    if (await runMerge(deps, plan, mergeOptions)) continue;
    metrics.mergeLost();
    await deps.catalog.refresh(mergeOptions.signal);
  }
  return mergesMax;
}

/** Runs one merge; false: another compactor was faster. */
async function runMerge(
  deps: CompactorDeps,
  plan: MergePlan,
  {
    removals,
    isForced,
    signal,
  }: { removals: readonly LeafDelete[]; isForced?: boolean; signal?: AbortSignal },
): Promise<boolean> {
  const { tenant, day, compacted, flushed, level } = plan;
  const inputs = [...compacted, ...flushed];
  const merged = await deps.workers.run(
    mergeDayTask,
    {
      tenant,
      day,
      keys: inputs.map(({ key }) => key),
      removals,
      bytesMax: deps.options.inputBytesMax,
      isFinal: isFinal(plan),
    },
    { signal },
  );
  const { inputRows, outputRows, duplicateRows, removedRows, bytes, inputBytes } = merged;
  if (inputRows !== outputRows + duplicateRows + removedRows) {
    throw new LokiError(
      'internal',
      `compacting ${tenant}, day ${dayText(day)}: ${inputRows} rows went in, ${outputRows} came out, ` +
        `${duplicateRows} were duplicates, ${removedRows} removed`,
    );
  }
  await deps.simHook?.('compact.afterMerge');
  const outputBytes = await replace(
    deps,
    { tenant, day, compacted, flushed, bytes, rowCount: outputRows, level },
    signal,
  );
  if (outputBytes === undefined) return false;
  // Only a delete request forces a merge.
  const removes = isForced ? 'deleted' : 'expired';
  deps.metrics.merged({ tenant, inputBytes, outputBytes, removedRows, removes });
  deps.logger.info('compacted', {
    tenant,
    day: dayText(day),
    inputs: inputs.length,
    outputLevel: level,
    rows: outputRows,
    duplicateRows,
    removedRows,
    inputBytes,
    outputBytes,
  });
  return true;
}
