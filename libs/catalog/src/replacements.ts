import type { SegmentRef } from './section-index.ts';

/** Rows of one tenant and time window that other segments hold now: what a compaction of one day commits. */
export interface Replacement {
  readonly tenant: string;
  /** startNs <= ts < endNs; one UTC day. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Whose rows of that tenant and window are no longer to be read. */
  readonly inputs: readonly {
    readonly key: string;
    readonly partition: number;
    readonly endOffset: number;
  }[];
  /** Where they are now. `endOffset`: the highest of the inputs. */
  readonly outputs: readonly SegmentRef[];
}

/**
 * Which parts of which sections have been replaced, and by what.
 *
 * A reader that was told offset W of a partition must not see rows above it, for the head gave it those. So a
 * replacement counts for it only when all its inputs lie at or below its W; else it goes on with the inputs, whose
 * objects stay for a grace period.
 */
export class Replacements {
  /** By tenant. */
  readonly #byTenant = new Map<string, Replacement[]>();

  add(replacement: Replacement): void {
    const known = this.#byTenant.get(replacement.tenant);
    if (known) known.push(replacement);
    else this.#byTenant.set(replacement.tenant, [replacement]);
  }

  /**
   * What to read instead of `refs`: each section without its replaced windows, and the outputs of replacements that
   * count.
   *
   * @param upTo offsets the reader was told, by partition
   */
  apply(
    tenant: string,
    refs: readonly SegmentRef[],
    window: { startNs: bigint; endNs: bigint },
    upTo: ReadonlyMap<number, number> | undefined,
  ): SegmentRef[] {
    const counting = (this.#byTenant.get(tenant) ?? []).filter(
      (replacement) =>
        replacement.startNs < window.endNs &&
        replacement.endNs > window.startNs &&
        replacement.inputs.every(
          ({ partition, endOffset }) => endOffset <= (upTo?.get(partition) ?? Infinity),
        ),
    );
    if (counting.length === 0) return [...refs];
    const outputs = counting.flatMap((replacement) => replacement.outputs);
    const windows = new Map<string, { startNs: bigint; endNs: bigint }[]>();
    for (const { inputs, startNs, endNs } of counting) {
      for (const { key } of inputs) windows.set(key, [...(windows.get(key) ?? []), { startNs, endNs }]);
    }
    return [...refs, ...outputs].flatMap((ref) => {
      const replaced = windows.get(ref.key);
      const isWanted = ref.minNs < window.endNs && ref.maxNs >= window.startNs;
      return !isWanted ? [] : replaced ? without(ref, replaced) : [ref];
    });
  }
}

/** The parts of a section outside of some windows, as references of their own. */
function without(ref: SegmentRef, windows: readonly { startNs: bigint; endNs: bigint }[]): SegmentRef[] {
  let parts = [ref.clip ?? { startNs: ref.minNs, endNs: ref.maxNs + 1n }];
  for (const { startNs, endNs } of windows) {
    parts = parts.flatMap((part) => [
      { startNs: part.startNs, endNs: part.endNs < startNs ? part.endNs : startNs },
      { startNs: part.startNs > endNs ? part.startNs : endNs, endNs: part.endNs },
    ]);
    parts = parts.filter((part) => part.startNs < part.endNs);
  }
  return parts.map((clip) => ({ ...ref, clip }));
}
