/** The fold of the compactors' log: the story of a stored day, step *commit*. */
import { dayNs, LokiError } from '@loki/model';
import type { DeadSegment } from '../logs/catalog-state.ts';
import type { FoldedLog } from '../logs/numbered-log.ts';
import { CompactedDay } from './compacted-day.ts';
import { decodeCompactions, encodeCompactions } from './compaction-checkpoint.ts';
import type { StoredDay } from './compaction-checkpoint.ts';
import { decodeCompactionManifest, encodeCompactionManifest } from './compaction-manifest.ts';
import type { CompactionManifest, DayChange, FlushedInput } from './compaction-manifest.ts';
import { dayOf, daysMax } from './section-index.ts';
import type { SegmentRef } from './section-index.ts';

/**
 * Milliseconds for which a change can be undone for a reader that holds older offsets. Its inputs live
 * longer.
 */
export const undoableMs = 3_600_000;

/** Merges, drops and rewrites of compactors: all manifests of their log, folded. */
export class CompactionState implements FoldedLog<CompactionManifest> {
  number = 0;
  /** Dropped compacted segments whose objects still exist. */
  readonly dead = new Map<string, DeadSegment>();
  #tenants = new Map<string, Map<number, CompactedDay>>();
  /** The days in which a flushed segment was replaced, by tenant. */
  #replaced = new Map<string, { tenant: string; day: number }[]>();
  #dayBytes = 0;

  /** About the bytes of all days in a checkpoint. */
  get dayBytes(): number {
    return this.#dayBytes;
  }

  tenants(): readonly string[] {
    return [...this.#tenants.keys()];
  }

  days(tenant: string): readonly number[] {
    return [...(this.#tenants.get(tenant)?.keys() ?? [])];
  }

  day(tenant: string, day: number): CompactedDay | undefined {
    return this.#tenants.get(tenant)?.get(day);
  }

  /** Keys of all segments that are read or wait for their deletion. */
  *keys(): Iterable<string> {
    for (const days of this.#tenants.values()) {
      for (const { outputs } of days.values()) for (const { key } of outputs) yield key;
    }
    yield* this.dead.keys();
  }

  /** Whether some day of a flushed segment was replaced, and the segment not erased. */
  wasReplaced(key: string): boolean {
    return this.#replaced.has(key);
  }

  /** The reason why the change cannot be committed now; undefined: it can. */
  problemOf(change: Pick<DayChange, 'tenant' | 'day' | 'flushed' | 'compacted'>): string | undefined {
    return (this.day(change.tenant, change.day) ?? new CompactedDay()).problemOf(change);
  }

  fold(manifest: CompactionManifest): void {
    const { number, createdMs, changes, erased } = manifest;
    if (number !== this.number + 1) {
      throw new LokiError('corrupt', `catalog: compactions: manifest ${number} follows ${this.number}`);
    }
    for (const change of changes) {
      const problem = this.problemOf(change);
      if (problem) throw new LokiError('corrupt', `catalog: compactions: manifest ${number}: ${problem}`);
    }
    this.number = number;
    for (const change of changes) {
      const day = this.#makeDay(change.tenant, change.day);
      const { bytes } = day;
      for (const { key } of day.apply(change, createdMs)) this.dead.set(key, { key, droppedMs: createdMs });
      this.#dayBytes += day.bytes - bytes;
      for (const { key } of change.flushed) this.#noteReplaced(key, change);
      day.forgetBefore(createdMs - undoableMs);
    }
    for (const key of erased) {
      this.dead.delete(key);
      for (const { tenant, day } of this.#replaced.get(key) ?? []) this.#forget(tenant, day, key);
      this.#replaced.delete(key);
    }
  }

  /**
   * The sections to read in place of `refs` (the tenant's flushed sections in a window): first the compacted
   * segments of the window, then `refs` without their replaced days.
   *
   * @param reader `upTo`: offsets that it got from heads, by partition; `isKept`: whether the partition's
   *   catalog still has the tenant's section of a flushed segment
   */
  apply(
    tenant: string,
    refs: readonly SegmentRef[],
    window: { startNs: bigint; endNs: bigint },
    { upTo, isKept }: { upTo?: ReadonlyMap<number, number>; isKept: (input: FlushedInput) => boolean },
  ): SegmentRef[] {
    const days = this.#tenants.get(tenant);
    if (!days) return [...refs];
    const views = new Map(
      [...days].map(([day, each]) => [day, inWindow(day, window) && each.view(upTo, isKept)]),
    );
    const compacted = [...views].sort(([a], [b]) => a - b).flatMap(([, view]) => (view ? view.outputs : []));
    const outputs = compacted.flatMap(({ sources, ...segment }): SegmentRef[] => {
      const isWanted = segment.minNs < window.endNs && segment.maxNs >= window.startNs;
      return isWanted ? [{ ...segment, ...sources[0], sources }] : [];
    });
    return [...outputs, ...refs.flatMap((ref) => parts(ref, (day) => views.get(day) || undefined))];
  }

  encodeManifest(manifest: CompactionManifest): Buffer {
    return encodeCompactionManifest(manifest);
  }

  decodeManifest(bytes: Uint8Array, key: string): CompactionManifest {
    return decodeCompactionManifest(bytes, key);
  }

  encodeCheckpoint(): Buffer {
    return encodeCompactions(this);
  }

  decodeCheckpoint(bytes: Uint8Array, key: string): void {
    const content = new CompactionState();
    // A root in parts is for the log, which reads these.
    if (decodeCompactions(bytes, key, content)) {
      throw new LokiError('corrupt', `catalog: ${key}: a checkpoint in parts`);
    }
    this.replaceBy(content);
  }

  /** Takes the content of another state. */
  replaceBy(newer: CompactionState): void {
    this.number = newer.number;
    this.#tenants = newer.#tenants;
    this.#replaced = newer.#replaced;
    this.#dayBytes = newer.#dayBytes;
    this.dead.clear();
    for (const [key, dead] of newer.dead) this.dead.set(key, dead);
  }

  /** Adds a day from a checkpoint. */
  restoreDay({ tenant, day, flushed, outputs }: StoredDay): CompactedDay {
    const content = this.#makeDay(tenant, day);
    this.#dayBytes -= content.bytes;
    content.restore(flushed, outputs);
    this.#dayBytes += content.bytes;
    for (const { key } of flushed) this.#noteReplaced(key, { tenant, day });
    return content;
  }

  #makeDay(tenant: string, day: number): CompactedDay {
    let days = this.#tenants.get(tenant);
    if (!days) this.#tenants.set(tenant, (days = new Map<number, CompactedDay>()));
    let content = days.get(day);
    if (!content) {
      days.set(day, (content = new CompactedDay()));
      this.#dayBytes += content.bytes;
    }
    return content;
  }

  #noteReplaced(key: string, { tenant, day }: { tenant: string; day: number }): void {
    const replacedDays = this.#replaced.get(key);
    if (replacedDays) replacedDays.push({ tenant, day });
    else this.#replaced.set(key, [{ tenant, day }]);
  }

  #forget(tenant: string, day: number, key: string): void {
    const days = this.#tenants.get(tenant);
    const content = days?.get(day);
    if (!days || !content) return;
    this.#dayBytes -= content.bytes;
    content.forgetFlushed(key);
    this.#dayBytes += content.bytes;
    if (content.flushed.size > 0 || content.outputs.length > 0) return;
    this.#dayBytes -= content.bytes;
    days.delete(day);
    if (days.size === 0) this.#tenants.delete(tenant);
  }
}

function inWindow(day: number, window: { startNs: bigint; endNs: bigint }): boolean {
  const startNs = BigInt(day) * dayNs;
  return startNs < window.endNs && startNs + dayNs > window.startNs;
}

/** The parts of a flushed section that no compacted segment replaces, each as a reference of its own. */
function parts(
  ref: SegmentRef,
  viewOf: (day: number) => { isReplaced(key: string): boolean } | undefined,
): SegmentRef[] {
  const first = dayOf(ref.minNs);
  const last = dayOf(ref.maxNs);
  // Sections over this many days are never compacted.
  if (last - first >= daysMax) return [ref];
  let isWhole = true;
  const windows: { startNs: bigint; endNs: bigint }[] = [];
  for (let day = first; day <= last; day++) {
    if (viewOf(Number(day))?.isReplaced(ref.key)) {
      isWhole = false;
      continue;
    }
    const startNs = day === first ? ref.minNs : day * dayNs;
    const endNs = day === last ? ref.maxNs + 1n : (day + 1n) * dayNs;
    const lastWindow = windows.at(-1);
    if (lastWindow?.endNs === startNs) lastWindow.endNs = endNs;
    else windows.push({ startNs, endNs });
  }
  return isWhole ? [ref] : windows.map((clip) => ({ ...ref, clip }));
}
