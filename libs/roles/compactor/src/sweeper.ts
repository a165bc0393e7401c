/** Removes replaced and expired objects from catalogs and store: step *forget* of a stored day. */
import { dayOf } from '@loki/catalog';
import type { LiveSegment, PartitionCatalog, ManifestSection } from '@loki/catalog';
import type { CompactorDeps } from './deps.ts';

/** Objects deleted, or sections dropped, in one step: manifests stay small, and a crash repeats little. */
const batchMax = 500;
/** Bound on tracked objects that no catalog names. */
const orphansMax = 100_000;

/**
 * Removes replaced and expired sections from their partition's catalog, then unused objects from the store
 * and from the catalogs, and also objects that no catalog ever named.
 */
export class Sweeper {
  readonly #deps: CompactorDeps;
  /** When an unnamed object was first seen, on the monotonic clock. */
  readonly #seenMs = new Map<string, number>();
  #orphansLookedMs = -Infinity;

  constructor(deps: CompactorDeps) {
    this.#deps = deps;
  }

  /** @param expiredNs rows of a tenant before this time are expired in all streams; undefined: none */
  async sweep(expiredNs: (tenant: string) => bigint | undefined, signal?: AbortSignal): Promise<void> {
    for (const partition of this.#deps.partitions()) {
      await this.#dropSections(partition, expiredNs, signal);
      await this.#eraseFlushed(partition, signal);
    }
    await this.#eraseCompacted(signal);
    await this.#removeOrphans(signal);
    await this.#removeManifests(signal);
    this.#countWaiting();
  }

  #countWaiting(): void {
    const { partitions, catalog, metrics } = this.#deps;
    const dead = [
      ...partitions().flatMap(({ state }) => [...state.dead.values()]),
      ...catalog.compacted.dead.values(),
    ];
    const oldestMs = dead.reduce((oldest, { droppedMs }) => Math.min(oldest, droppedMs), Infinity);
    metrics.waitingObjects(dead.length, dead.length === 0 ? 0 : oldestMs);
  }

  async #dropSections(
    partition: PartitionCatalog,
    expiredNs: (tenant: string) => bigint | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const drops: { key: string; tenants: string[] }[] = [];
    for (const live of partition.state.live.values()) {
      const tenants = [...live.segment.sections]
        .filter((section) => this.#isReplaced(live, section) || isBefore(section, expiredNs(section.tenant)))
        .map(({ tenant }) => tenant);
      if (tenants.length > 0) drops.push({ key: live.segment.key, tenants });
    }
    for (let i = 0; i < drops.length; i += batchMax) {
      const batch = drops.slice(i, i + batchMax);
      await partition.drop({ drops: batch, createdMs: this.#deps.clock.nowMs() }, signal);
      await this.#deps.simHook?.('sweep.afterDrop');
    }
    if (drops.length > 0) await partition.checkpoint(signal);
  }

  /** True if every day of the section was replaced, and long enough ago. */
  #isReplaced({ segment }: LiveSegment, { tenant, minNs, maxNs }: ManifestSection): boolean {
    const { catalog, clock, options } = this.#deps;
    if (!catalog.isCompactable(minNs, maxNs)) return false;
    const before = clock.nowMs() - options.dropAfterMs;
    for (let day = dayOf(minNs); day <= dayOf(maxNs); day++) {
      const replaced = catalog.compacted.day(tenant, Number(day))?.flushed.get(segment.key);
      if (!replaced || replaced.replacedMs > before) return false;
    }
    return true;
  }

  /**
   * Flushed objects are deleted, then dropped from the compactors' log, then from the partition's catalog.
   */
  async #eraseFlushed(partition: PartitionCatalog, signal: AbortSignal | undefined): Promise<void> {
    const keys = this.#deletable(partition.state.dead.values());
    for (let i = 0; i < keys.length; i += batchMax) {
      const batch = keys.slice(i, i + batchMax);
      await this.#deleteAll(batch, 'replaced');
      await this.#forget(batch, signal);
      await partition.drop({ erased: batch, createdMs: this.#deps.clock.nowMs() }, signal);
    }
  }

  async #eraseCompacted(signal: AbortSignal | undefined): Promise<void> {
    const keys = this.#deletable(this.#deps.catalog.compacted.dead.values());
    for (let i = 0; i < keys.length; i += batchMax) {
      const batch = keys.slice(i, i + batchMax);
      await this.#deleteAll(batch, 'replaced');
      await this.#forget(batch, signal);
    }
  }

  #deletable(dead: Iterable<{ readonly key: string; readonly droppedMs: number }>): string[] {
    const { clock, options } = this.#deps;
    const before = clock.nowMs() - options.deleteDelayMs;
    return [...dead].filter(({ droppedMs }) => droppedMs < before).map(({ key }) => key);
  }

  async #deleteAll(keys: readonly string[], reason: 'replaced' | 'orphan'): Promise<void> {
    const { objectStore, metrics, clock } = this.#deps;
    for (const key of keys) {
      const beganMs = clock.monotonicMs();
      await objectStore.delete(key);
      metrics.objectDeleted(reason, (clock.monotonicMs() - beganMs) / 1000);
    }
    await this.#deps.simHook?.('sweep.afterDelete');
  }

  async #forget(erased: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const { catalog, clock } = this.#deps;
    const isKnown = (key: string) => catalog.compacted.dead.has(key) || catalog.compacted.wasReplaced(key);
    await catalog.compactions.append(
      (number) =>
        erased.some(isKnown) ? { number, createdMs: clock.nowMs(), changes: [], erased } : undefined,
      signal,
    );
  }

  /**
   * Manifests that checkpoints cover: without this their number would grow with all that was ever committed.
   */
  async #removeManifests(signal: AbortSignal | undefined): Promise<void> {
    const { clock, options, partitions, catalog, simHook } = this.#deps;
    const removal = {
      nowMs: clock.nowMs(),
      removeAfterMs: options.removeManifestsAfterMs,
      afterStep: simHook && (() => simHook('sweep.afterManifests')),
    };
    for (const partition of partitions()) await partition.removeCovered(removal, signal);
    await catalog.compactions.removeCovered(removal, signal);
  }

  async #removeOrphans(signal: AbortSignal | undefined): Promise<void> {
    const { clock, options } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#orphansLookedMs < options.orphanIntervalMs) return;
    this.#orphansLookedMs = nowMs;
    const listedKeys = new Set<string>();
    for (const key of await this.#nameless(signal)) {
      listedKeys.add(key);
      const firstMs = this.#seenMs.get(key);
      if (firstMs === undefined) this.#seenMs.set(key, nowMs);
      else if (nowMs - firstMs >= options.orphanAfterMs) {
        await this.#deleteAll([key], 'orphan');
        this.#deps.logger.warn('an object that no catalog names was deleted', { key });
        listedKeys.delete(key);
      }
    }
    for (const key of this.#seenMs.keys()) if (!listedKeys.has(key)) this.#seenMs.delete(key);
  }

  /** Lists the store first: catalogs that are read afterwards name everything that was committed since. */
  async #nameless(signal: AbortSignal | undefined): Promise<string[]> {
    const { objectStore, catalog } = this.#deps;
    const partitions = this.#deps.partitions();
    const flushed: string[] = [];
    const compacted: string[] = [];
    for await (const { key } of objectStore.list('segments/')) flushed.push(key);
    for await (const { key } of objectStore.list('compacted/')) compacted.push(key);
    for (const partition of partitions) await partition.load(signal);
    await catalog.compactions.load(signal);
    const named = new Set(catalog.compacted.keys());
    const nameless = compacted.filter((key) => !named.has(key));
    for (const key of flushed) {
      const place = placeOf(key);
      const state = place && partitions[place.partition]?.state;
      if (!place || !state || state.live.has(key) || state.dead.has(key)) continue;
      // Only a commit that starts at the partition's end can still name it.
      if (place.startOffset < state.endOffset) nameless.push(key);
    }
    return nameless.slice(0, orphansMax);
  }
}

function isBefore({ maxNs }: ManifestSection, expiredNs: bigint | undefined): boolean {
  return expiredNs !== undefined && maxNs < expiredNs;
}

/** `segments/<partition>/<start offset>-<end offset>-<random>` */
function placeOf(key: string): { partition: number; startOffset: number } | undefined {
  const match = /^segments\/(\d+)\/(\d+)-\d+-[0-9a-f]+$/.exec(key);
  return match ? { partition: Number(match[1]), startOffset: Number(match[2]) } : undefined;
}
