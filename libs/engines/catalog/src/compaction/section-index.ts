/** The index of sections by tenant and time: step *select* of a query. */
import { dayNs } from '@loki/model';
import type { StateListener } from '../logs/catalog-state.ts';
import type { ManifestSection } from '../logs/manifest.ts';
import type { LiveSegment } from '../logs/segment-groups.ts';
import type { RecordRange } from './compaction-manifest.ts';

/** One tenant's share of one segment, as a reader needs it. */
export interface SegmentRef {
  readonly key: string;
  readonly partition: number;
  /** The write log's records that the segment came from. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** Of the tenant's rows, inclusive. */
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
  readonly sizeBytes: number;
  readonly level: number;
  readonly createdMs: number;
  /** Of a compacted segment: all records that it came from. */
  readonly sources?: readonly RecordRange[];
  /** Only rows with startNs <= ts < endNs are to be read: the others were replaced by another segment. */
  readonly clip?: { readonly startNs: bigint; readonly endNs: bigint };
}

/** A section over more days than this is looked at by every query instead of standing under each day. */
export const daysMax = 14n;

/** Segments with a section of one tenant, in no order. */
type Bucket = LiveSegment[];

interface TenantSections {
  readonly byDay: Map<bigint, Bucket>;
  readonly long: Bucket;
}

/**
 * The sections of all tenants by tenant and time. A lookup costs time proportional to its result. A section
 * takes eight bytes here; its properties are in the segment's table.
 */
export class SectionIndex implements StateListener {
  readonly #tenants = new Map<string, TenantSections>();

  added(live: LiveSegment, section: ManifestSection): void {
    for (const bucket of this.#buckets(section)) bucket.push(live);
  }

  removed(live: LiveSegment, section: ManifestSection): void {
    for (const bucket of this.#buckets(section)) {
      // Searches from the front: mostly the oldest sections are removed.
      const at = bucket.indexOf(live);
      const last = bucket.pop();
      if (at >= 0 && at < bucket.length) bucket[at] = last!;
      else if (at < 0 && last) bucket.push(last);
    }
    const tenant = this.#tenants.get(section.tenant);
    if (!tenant) return;
    for (const [day, bucket] of tenant.byDay) if (bucket.length === 0) tenant.byDay.delete(day);
    if (tenant.byDay.size === 0 && tenant.long.length === 0) this.#tenants.delete(section.tenant);
  }

  /** Sections of the tenant that may have rows with startNs <= ts < endNs; each once, in no order. */
  find(tenant: string, startNs: bigint, endNs: bigint): SegmentRef[] {
    const sections = this.#tenants.get(tenant);
    if (!sections || startNs >= endNs) return [];
    const refs = new Map<string, SegmentRef>();
    const look = (bucket: Bucket): void => {
      for (const live of bucket) {
        const section = live.segment.sections.find(tenant);
        if (!section || section.minNs >= endNs || section.maxNs < startNs) continue;
        refs.set(live.segment.key, refOf(live, section));
      }
    };
    look(sections.long);
    const first = dayOf(startNs);
    const last = dayOf(endNs - 1n);
    if (last - first < BigInt(sections.byDay.size)) {
      for (let day = first; day <= last; day++) {
        const bucket = sections.byDay.get(day);
        if (bucket) look(bucket);
      }
    } else {
      for (const [day, bucket] of sections.byDay) if (day >= first && day <= last) look(bucket);
    }
    return [...refs.values()];
  }

  /**
   * UTC days, counted from 1970, in which a tenant's sections may have rows; without sections that are too
   * long to compact.
   */
  days(tenant: string): number[] {
    return [...(this.#tenants.get(tenant)?.byDay.keys() ?? [])].map(Number);
  }

  tenants(): string[] {
    return [...this.#tenants.keys()];
  }

  #buckets({ tenant, minNs, maxNs }: ManifestSection): Bucket[] {
    let sections = this.#tenants.get(tenant);
    if (!sections) this.#tenants.set(tenant, (sections = { byDay: new Map(), long: [] }));
    const first = dayOf(minNs);
    const last = dayOf(maxNs);
    if (last - first >= daysMax) return [sections.long];
    const buckets: Bucket[] = [];
    for (let day = first; day <= last; day++) {
      let bucket = sections.byDay.get(day);
      if (!bucket) sections.byDay.set(day, (bucket = []));
      buckets.push(bucket);
    }
    return buckets;
  }
}

function refOf(live: LiveSegment, section: ManifestSection): SegmentRef {
  const { partition, startOffset, endOffset, createdMs, segment } = live;
  const { key, sizeBytes, level } = segment;
  const { minNs, maxNs, rowCount, lineBytes } = section;
  const place = { key, partition, startOffset, endOffset, createdMs, sizeBytes, level };
  return { ...place, minNs, maxNs, rowCount, lineBytes };
}

/** Days since 1970 in UTC, rounded down also before it. */
export function dayOf(ns: bigint): bigint {
  return ns >= 0n ? ns / dayNs : -((-ns + dayNs - 1n) / dayNs);
}
