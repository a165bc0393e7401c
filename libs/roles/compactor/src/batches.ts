/** Merges that run together, chosen by a pure function: step *plan* of a stored day. */
import { storedBytes } from './plan.ts';
import type { MergePlan, PlanOptions } from './plan.ts';

/** Merges of one batch: their changes are one manifest, of about a megabyte at most. */
const batchMergesMax = 1_000;
/** An input is read as a whole if its merges need at least this share of it. */
const wholeShare = 0.25;
/** A smaller share is read block by block, unless the input is so small that one request is cheaper. */
const smallBytes = 1 << 20;

/** Groups merges that read the same inputs. */
export interface MergeBatch<Plan extends MergePlan = MergePlan> {
  readonly plans: readonly Plan[];
  /** Keys of inputs that are read once, as a whole, for all merges of the batch. */
  readonly wholeKeys: readonly string[];
  /** Upper bound of the bytes in memory, output excluded. */
  readonly inputBytes: number;
}

/**
 * Puts merges with the same inputs side by side: flushed segments hold rows of all tenants, so a merge for
 * each tenant alone would read every footer once for each of them.
 *
 * @param options a batch reads `inputBytesMax` at most, or is a single merge
 */
export function batchesOf<Plan extends MergePlan>(
  plans: readonly Plan[],
  options: Pick<PlanOptions, 'inputBytesMax'>,
): MergeBatch<Plan>[] {
  const sorted = plans
    .map((plan) => ({ plan, inputs: inputsKey(plan) }))
    .sort((a, b) => compare(a.inputs, b.inputs) || compare(a.plan.tenant, b.plan.tenant))
    .map(({ plan }) => plan);
  const batches: MergeBatch<Plan>[] = [];
  let open: Plan[] = [];
  let bytes = 0;
  const close = (): void => {
    if (open.length > 0) batches.push(batchOf(open, bytes, options.inputBytesMax));
    open = [];
    bytes = 0;
  };
  for (const plan of sorted) {
    const planBytes = bytesOf(plan);
    if (open.length >= batchMergesMax || bytes + planBytes > options.inputBytesMax) close();
    open.push(plan);
    bytes += planBytes;
  }
  close();
  return batches;
}

function batchOf<Plan extends MergePlan>(
  plans: readonly Plan[],
  planBytes: number,
  inputBytesMax: number,
): MergeBatch<Plan> {
  const uses = new Map<string, { sizeBytes: number; wantedBytes: number; merges: number }>();
  for (const { flushed } of plans) {
    for (const ref of flushed) {
      const use = uses.get(ref.key) ?? { sizeBytes: ref.sizeBytes, wantedBytes: 0, merges: 0 };
      use.wantedBytes += storedBytes(ref);
      use.merges++;
      uses.set(ref.key, use);
    }
  }
  const wholeKeys: string[] = [];
  let inputBytes = planBytes;
  for (const [key, { sizeBytes, wantedBytes, merges }] of uses) {
    const isWorth = wantedBytes >= sizeBytes * wholeShare || sizeBytes <= smallBytes;
    if (merges < 2 || !isWorth || inputBytes + sizeBytes > 2 * inputBytesMax) continue;
    wholeKeys.push(key);
    inputBytes += sizeBytes;
  }
  return { plans, wholeKeys, inputBytes };
}

function bytesOf({ compacted, flushed }: MergePlan): number {
  return [...compacted, ...flushed].reduce((sum, each) => sum + storedBytes(each), 0);
}

function inputsKey({ flushed }: MergePlan): string {
  return flushed.length === 0 ? '' : `${flushed[0].key} ${flushed.at(-1)!.key}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
