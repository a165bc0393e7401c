/**
 * Live segments of a partition in groups, which checkpoints store as parts: a group that did not change is
 * not written again.
 */
import type { ManifestSection, ManifestSegment } from './manifest.ts';
import type { SectionTable } from './section-table.ts';

/** A segment of a partition that is not completely dropped. */
export interface LiveSegment {
  readonly partition: number;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly createdMs: number;
  /** Its sections are those still to be read. */
  readonly segment: Omit<ManifestSegment, 'sections'> & { readonly sections: SectionTable };
  /** Stored together with it by checkpoints. */
  group: SegmentGroup;
}

/** Hash and size of the object that holds a group. */
export interface PartIdentity {
  /** SHA-256, its first 16 bytes in hex digits. */
  readonly hash: string;
  readonly sizeBytes: number;
}

/** Neighbouring live segments, in order. */
export interface SegmentGroup {
  readonly segments: Set<LiveSegment>;
  /** Their approximate unpacked size in a checkpoint. */
  bytes: number;
  /** The stored part with the same content; undefined: the group has changed since. */
  identity: PartIdentity | undefined;
}

/**
 * About a group's unpacked bytes: 7,000 sections, which take some 10 ms to encode or decode. A segment with
 * more is a group of its own.
 */
export const groupBytesDefault = 256 << 10;

/**
 * The grouping depends on the manifests alone: processes that folded the same manifests encode the same
 * parts. Two neighbours that together are smaller than half a group become one group.
 */
export class SegmentGroups implements Iterable<SegmentGroup> {
  readonly #bytesMax: number;
  #groups: SegmentGroup[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#groups.length;
  }

  [Symbol.iterator](): Iterator<SegmentGroup> {
    return this.#groups[Symbol.iterator]();
  }

  clear(): void {
    this.#groups = [];
  }

  /** Begins a group, at the end. */
  open(identity?: PartIdentity): SegmentGroup {
    const group: SegmentGroup = { segments: new Set(), bytes: 0, identity };
    this.#groups.push(group);
    return group;
  }

  /** The group for the next segment of `bytes`: the last group while it has room, otherwise a new one. */
  forNext(bytes: number): SegmentGroup {
    const last = this.#groups.at(-1);
    if (!last || (last.segments.size > 0 && last.bytes + bytes > this.#bytesMax)) return this.open();
    last.identity = undefined;
    return last;
  }

  /** Marks the group of a segment as changed, because sections were dropped. */
  shrunk({ group }: LiveSegment, dropped: readonly ManifestSection[]): void {
    for (const section of dropped) group.bytes -= sectionBytes(section);
    this.#changed(group);
  }

  /** Takes a segment out, with the sections that it still has. */
  remove(live: LiveSegment): void {
    const { group } = live;
    group.bytes -= segmentBytes(live.segment.sections);
    group.segments.delete(live);
    this.#changed(group);
  }

  #changed(group: SegmentGroup): void {
    group.identity = undefined;
    if (group.bytes > this.#bytesMax >> 1) return;
    const at = this.#groups.indexOf(group);
    if (group.segments.size === 0) this.#groups.splice(at, 1);
    else if (!this.#join(at - 1)) this.#join(at);
  }

  /** Joins a group with the next one when both are small. */
  #join(at: number): boolean {
    const [group, next] = [this.#groups[at], this.#groups[at + 1]];
    if (!group || !next || group.bytes + next.bytes > this.#bytesMax >> 1) return false;
    for (const live of next.segments) {
      group.segments.add(live);
      live.group = group;
    }
    group.bytes += next.bytes;
    group.identity = undefined;
    this.#groups.splice(at + 1, 1);
    return true;
  }
}

/** Key, offsets, time and size of a segment, about. */
const placeBytes = 80;

/** The approximate size of a segment in a checkpoint. */
export function segmentBytes(sections: Iterable<ManifestSection>): number {
  let bytes = placeBytes;
  for (const section of sections) bytes += sectionBytes(section);
  return bytes;
}

function sectionBytes({ tenant }: ManifestSection): number {
  return tenant.length + 24;
}
