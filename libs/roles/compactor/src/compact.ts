/** Merges of many tenants' days: plan, merge, commit. Steps *plan* to *commit* of a stored day. */
import { dayNs, LokiError } from '@loki/model';
import type { LeafDelete } from '@loki/ports';
import { batchesOf } from './batches.ts';
import type { MergeBatch } from './batches.ts';
import { dayText } from './day-text.ts';
import type { CompactorDeps } from './deps.ts';
import { mergeDaysTask } from './merge-day-task.ts';
import type { MergeDayOutput } from './merge-day-task.ts';
import { isFinal, planDay } from './plan.ts';
import type { DayInventory, MergePlan } from './plan.ts';
import { replaceAll } from './replace.ts';

/**
 * Merges of one day in one round; the remaining ones follow in the next round, so that all days take turns.
 */
const mergesMax = 64;
/** Batches side by side: their inputs share the bound of one large merge. */
const batchesMax = 4;

/** One tenant's day to compact. */
interface DayWork {
  readonly tenant: string;
  readonly day: number;
  /** Rows to leave out. */
  readonly removals: readonly LeafDelete[];
}

interface PlannedMerge extends MergePlan {
  readonly work: DayWork;
}

/** A day that could not be compacted. */
interface FailedDay {
  readonly tenant: string;
  readonly day: number;
  readonly error: unknown;
}

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
 * Merges the segments of many days until no merge is planned. Merges with the same inputs read them once and
 * are committed together; several such batches run side by side.
 *
 * @param isForced all flushed segments are merged, even if they are few or young
 * @returns the days that failed; the others are done
 */
export async function compactDays(
  deps: CompactorDeps,
  works: readonly DayWork[],
  signal?: AbortSignal,
  isForced = false,
): Promise<FailedDay[]> {
  const { clock, options } = deps;
  const failures: FailedDay[] = [];
  let remaining = works;
  for (let round = 0; round < mergesMax && remaining.length > 0; round++) {
    const plans = remaining.flatMap((work): PlannedMerge[] => {
      const inventory = inventoryOf(deps, work.tenant, work.day);
      const plan = planDay(inventory, clock.nowMs(), options, isForced);
      return plan ? [{ ...plan, work }] : [];
    });
    const parallelism = Math.max(1, Math.min(batchesMax, deps.workers.parallelism));
    const inputBytesMax = Math.floor(options.inputBytesMax / (2 * parallelism));
    const batches = batchesOf(plans, { inputBytesMax });
    const failed = new Set<DayWork>();
    const fail = (work: DayWork, error: unknown): void => {
      signal?.throwIfAborted();
      failed.add(work);
      failures.push({ tenant: work.tenant, day: work.day, error });
    };
    const run = (batch: MergeBatch<PlannedMerge>) => runOrSplit(deps, batch, fail, signal);
    await sideBySide(batches, { batches: parallelism, bytes: options.inputBytesMax }, run);
    remaining = plans.map(({ work }) => work).filter((work) => !failed.has(work));
  }
  return failures;
}

/**
 * Runs batches within a number and a sum of bytes; a batch of more bytes runs alone.
 *
 * @throws the first error
 */
async function sideBySide(
  batches: readonly MergeBatch<PlannedMerge>[],
  most: { readonly batches: number; readonly bytes: number },
  run: (batch: MergeBatch<PlannedMerge>) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let bytes = 0;
  for (const batch of batches) {
    const isFull = () =>
      running.size >= most.batches || (running.size > 0 && bytes + batch.inputBytes > most.bytes);
    while (isFull()) await Promise.race(running);
    if (failures.length > 0) break;
    bytes += batch.inputBytes;
    const done: Promise<void> = run(batch)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => {
        running.delete(done);
        bytes -= batch.inputBytes;
      });
    running.add(done);
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
}

/** A batch that fails is tried merge by merge, so that a damaged segment stops its own day alone. */
async function runOrSplit(
  deps: CompactorDeps,
  batch: MergeBatch<PlannedMerge>,
  fail: (work: DayWork, error: unknown) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await runBatch(deps, batch, 'expired', signal);
  } catch (error) {
    const { plans } = batch;
    if (plans.length === 1) return fail(plans[0].work, error);
    signal?.throwIfAborted();
    for (const plan of plans) {
      await runOrSplit(deps, { plans: [plan], wholeKeys: [], inputBytes: 0 }, fail, signal);
    }
  }
}

/**
 * Merges all flushed segments of a day, even if they are few or young, for a delete request.
 *
 * @returns the number of merges
 */
export async function compactDay(deps: CompactorDeps, work: DayWork, signal?: AbortSignal): Promise<number> {
  const { tenant, day } = work;
  const { clock, options } = deps;
  for (let merges = 0; merges < mergesMax; merges++) {
    const plan = planDay(inventoryOf(deps, tenant, day), clock.nowMs(), options, true);
    if (!plan) return merges;
    await runBatch(deps, { plans: [{ ...plan, work }], wholeKeys: [], inputBytes: 0 }, 'deleted', signal);
  }
  return mergesMax;
}

/** Runs one batch. Where another compactor was faster, the catalog is read anew. */
async function runBatch(
  deps: CompactorDeps,
  { plans, wholeKeys }: MergeBatch<PlannedMerge>,
  removes: 'expired' | 'deleted',
  signal: AbortSignal | undefined,
): Promise<void> {
  const merges = plans.map((plan) => {
    const { tenant, day, compacted, flushed, work } = plan;
    const keys = [...compacted, ...flushed].map(({ key }) => key);
    return { tenant, day, keys, removals: work.removals, isFinal: isFinal(plan) };
  });
  const input = { merges, wholeKeys, bytesMax: deps.options.inputBytesMax };
  const { outputs } = await deps.workers.run(mergeDaysTask, input, { signal });
  for (const [i, plan] of plans.entries()) checkRows(plan, outputs[i]);
  await deps.simHook?.('compact.afterMerge');
  const replacements = plans.map(({ tenant, day, compacted, flushed, level }, i) => {
    const { bytes, outputRows: rowCount } = outputs[i];
    return { tenant, day, compacted, flushed, level, bytes, rowCount };
  });
  const stored = await replaceAll(deps, replacements, signal);
  for (const [i, plan] of plans.entries()) {
    const outputBytes = stored[i];
    if (outputBytes === undefined) deps.metrics.mergeLost();
    else tell(deps, plan, { ...outputs[i], outputBytes, removes });
  }
  if (stored.includes(undefined)) await deps.catalog.refresh(signal);
}

function checkRows({ tenant, day }: MergePlan, merged: MergeDayOutput): void {
  const { inputRows, outputRows, duplicateRows, removedRows } = merged;
  if (inputRows === outputRows + duplicateRows + removedRows) return;
  throw new LokiError(
    'internal',
    `compacting ${tenant}, day ${dayText(day)}: ${inputRows} rows went in, ${outputRows} came out, ` +
      `${duplicateRows} were duplicates, ${removedRows} removed`,
  );
}

function tell(
  { metrics, logger }: CompactorDeps,
  { tenant, day, compacted, flushed, level }: MergePlan,
  merged: MergeDayOutput & { readonly outputBytes: number; readonly removes: 'expired' | 'deleted' },
): void {
  const { inputBytes, outputBytes, outputRows, duplicateRows, removedRows, removes } = merged;
  metrics.merged({ tenant, inputBytes, outputBytes, removedRows, removes });
  logger.info('compacted', {
    tenant,
    day: dayText(day),
    inputs: compacted.length + flushed.length,
    outputLevel: level,
    rows: outputRows,
    duplicateRows,
    removedRows,
    inputBytes,
    outputBytes,
  });
}
