/** The fold of one partition's manifests: live and dropped segments. */
import { LokiError } from '@loki/model';
import { manifestKey } from './keys.ts';
import type { Manifest, ManifestSection, ManifestSegment, WriterTable } from './manifest.ts';
import { SectionTable, TenantNames } from './section-table.ts';
import { groupBytesDefault, segmentBytes, SegmentGroups } from './segment-groups.ts';
import type { LiveSegment, SegmentGroup } from './segment-groups.ts';

/** A live segment apart from its sections. */
type SegmentRange = Pick<LiveSegment, 'partition' | 'startOffset' | 'endOffset' | 'createdMs'>;

/** A dropped segment whose object still exists. */
export interface DeadSegment {
  readonly key: string;
  /** Time at which its last section was dropped. */
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
  /** The live segments again, as checkpoints store them. */
  readonly groups: SegmentGroups;
  readonly #listener: StateListener | undefined;
  readonly #names: TenantNames;
  readonly #groupBytes: number;

  /**
   * @param names shared by the states of one catalog
   * @param groupBytes about the unpacked bytes of a part of a checkpoint
   */
  constructor(
    partition: number,
    listener?: StateListener,
    names = new TenantNames(),
    groupBytes = groupBytesDefault,
  ) {
    this.partition = partition;
    this.#listener = listener;
    this.#names = names;
    this.#groupBytes = groupBytes;
    this.groups = new SegmentGroups(groupBytes);
  }

  /** A state without content that shares the tenants' names, for `replaceBy`. */
  emptyCopy(): CatalogState {
    return new CatalogState(this.partition, undefined, this.#names, this.#groupBytes);
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

  /** @param group undefined: the last one while it has room */
  addLive(range: SegmentRange, { sections, ...place }: ManifestSegment, group?: SegmentGroup): void {
    const bytes = segmentBytes(sections);
    const former = this.live.get(place.key);
    if (former) this.groups.remove(former);
    const itsGroup = group ?? this.groups.forNext(bytes);
    itsGroup.bytes += bytes;
    const table = new SectionTable(sections, this.#names);
    this.#insert({ ...range, segment: { ...place, sections: table }, group: itsGroup });
    for (const { maxNs } of sections) {
      if (this.newestNs === undefined || maxNs > this.newestNs) this.newestNs = maxNs;
    }
  }

  #insert(live: LiveSegment): void {
    live.group.segments.add(live);
    this.live.set(live.segment.key, live);
    if (this.#listener) for (const section of live.segment.sections) this.#listener.added(live, section);
  }

  /**
   * Takes over the content of another state: an `emptyCopy` of this one that has folded more manifests. The
   * listener receives the difference only: sections in both states stay untouched.
   */
  replaceBy(newer: CatalogState): void {
    const before = new Map(this.live);
    this.live.clear();
    this.groups.clear();
    for (const { segments, bytes, identity } of newer.groups) {
      const group = this.groups.open(identity);
      for (const live of segments) {
        const { key, sections } = live.segment;
        const current = before.get(key);
        if (!current) {
          live.group = group;
          this.#insert(live);
          continue;
        }
        // Sections are dropped, never added.
        const tenants = new Set(Array.from(sections, ({ tenant }) => tenant));
        this.#dropSections(current, ({ tenant }) => !tenants.has(tenant));
        this.live.set(key, current);
        current.group = group;
        group.segments.add(current);
        before.delete(key);
      }
      group.bytes = bytes;
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
    const dropped = this.#dropSections(live, isDropped);
    if (dropped.length > 0) this.groups.shrunk(live, dropped);
    if (live.segment.sections.length > 0) return;
    this.live.delete(key);
    this.groups.remove(live);
    this.dead.set(key, { key, droppedMs });
  }

  #dropSections(live: LiveSegment, isDropped: (section: ManifestSection) => boolean): ManifestSection[] {
    const dropped = live.segment.sections.drop(isDropped);
    if (this.#listener) for (const section of dropped) this.#listener.removed(live, section);
    return dropped;
  }
}
