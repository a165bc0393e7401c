/** The fold of one partition's manifests: live and dropped segments. */
import { LokiError } from '@loki/model';
import { manifestKey } from './keys.ts';
import type { Manifest, ManifestSection, ManifestSegment, WriterTable } from './manifest.ts';
import { SectionTable, TenantNames } from './section-table.ts';

/** A segment of a partition that is not completely dropped. */
export interface LiveSegment {
  readonly partition: number;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly createdMs: number;
  /** Its sections are those still to be read. */
  readonly segment: Omit<ManifestSegment, 'sections'> & { readonly sections: SectionTable };
}

/** A dropped segment whose object still exists. */
export interface DeadSegment {
  readonly key: string;
  /** When its last section was dropped. */
  readonly droppedMs: number;
}

/** Receives changes, so that an index over many partitions need not be rebuilt. */
export interface StateListener {
  added(live: LiveSegment, section: ManifestSection): void;
  removed(live: LiveSegment, section: ManifestSection): void;
}

/** All manifests of one partition, folded. */
export class CatalogState {
  readonly partition: number;
  /** Number of the last folded manifest; 0: none. */
  number = 0;
  endOffset = 0;
  writers: WriterTable = [];
  /** The newest row ever committed; undefined: none. */
  newestNs: bigint | undefined;
  /** By key, oldest first. */
  readonly live = new Map<string, LiveSegment>();
  readonly dead = new Map<string, DeadSegment>();
  readonly #listener: StateListener | undefined;
  readonly #names: TenantNames;

  /** @param names shared by the states of one catalog */
  constructor(partition: number, listener?: StateListener, names = new TenantNames()) {
    this.partition = partition;
    this.#listener = listener;
    this.#names = names;
  }

  /**
   * Takes the next manifest.
   *
   * @throws LokiError `corrupt` when it is not the next one: manifests are gapless in number and in offsets
   */
  fold(manifest: Manifest): void {
    const { partition, number, startOffset, endOffset } = manifest;
    const isNext =
      partition === this.partition &&
      number === this.number + 1 &&
      startOffset === this.endOffset &&
      endOffset >= startOffset;
    if (!isNext) {
      const key = manifestKey(this.partition, this.number + 1);
      throw new LokiError(
        'corrupt',
        `catalog: ${key}: manifest ${number} of partition ${partition} for [${startOffset}, ${endOffset}) ` +
          `does not continue at ${this.endOffset}`,
      );
    }
    this.number = number;
    if (endOffset > startOffset) this.writers = manifest.writers;
    this.endOffset = endOffset;
    if (manifest.segment) {
      const { createdMs, segment } = manifest;
      this.addLive({ partition, startOffset, endOffset, createdMs }, segment);
    }
    for (const drop of manifest.drops) this.#drop(drop.key, drop.tenants, manifest.createdMs);
    for (const key of manifest.erased) this.dead.delete(key);
  }

  addLive(range: Omit<LiveSegment, 'segment'>, { sections, ...place }: ManifestSegment): void {
    const live: LiveSegment = {
      ...range,
      segment: { ...place, sections: new SectionTable(sections, this.#names) },
    };
    this.live.set(place.key, live);
    for (const section of sections) {
      if (this.newestNs === undefined || section.maxNs > this.newestNs) this.newestNs = section.maxNs;
      this.#listener?.added(live, section);
    }
  }

  /**
   * Takes the content of another state, which is ahead of this one. The listener hears of the difference
   * only: a section that both have stays where it is.
   */
  replaceBy(newer: CatalogState): void {
    const before = new Map(this.live);
    this.live.clear();
    for (const [key, live] of newer.live) {
      const current = before.get(key);
      if (!current) {
        const { segment, ...range } = live;
        this.addLive(range, { ...segment, sections: [...segment.sections] });
        continue;
      }
      // Sections are dropped, never added.
      const tenants = new Set(Array.from(live.segment.sections, ({ tenant }) => tenant));
      this.#dropSections(current, ({ tenant }) => !tenants.has(tenant));
      this.live.set(key, current);
      before.delete(key);
    }
    for (const live of before.values()) this.#dropSections(live, () => true);
    this.dead.clear();
    for (const [key, dead] of newer.dead) this.dead.set(key, dead);
    this.number = newer.number;
    this.endOffset = newer.endOffset;
    this.writers = newer.writers;
    this.newestNs = newer.newestNs;
  }

  #drop(key: string, tenants: readonly string[], droppedMs: number): void {
    const live = this.live.get(key);
    if (!live) return; // dropped before: by another compactor, or with other tenants
    const isDropped = (section: ManifestSection): boolean =>
      tenants.length === 0 || tenants.includes(section.tenant);
    this.#dropSections(live, isDropped);
    if (live.segment.sections.length > 0) return;
    this.live.delete(key);
    this.dead.set(key, { key, droppedMs });
  }

  #dropSections(live: LiveSegment, isDropped: (section: ManifestSection) => boolean): void {
    for (const section of live.segment.sections.drop(isDropped)) this.#listener?.removed(live, section);
  }
}
