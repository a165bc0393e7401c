/** The sections of one segment as bytes: a catalog of many tenants has millions of sections. */
import type { ManifestSection } from './manifest.ts';

/** Numbers for tenants' names, shared by all tables of a catalog. */
export class TenantNames {
  readonly #ids = new Map<string, number>();
  readonly #names: string[] = [];

  idOf(name: string): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#names.length;
      this.#ids.set(name, id);
      this.#names.push(name);
    }
    return id;
  }

  nameOf(id: number): string {
    return this.#names[id];
  }
}

/** Bytes of a row: tenant u32, min i64, max i64, rows, line bytes; both u32, or f64 in a wide table. */
const narrowBytes = 28;
const wideBytes = 36;
const u32Max = 0xffff_ffff;

/**
 * Sections of a segment, ordered by tenant: 28 bytes each. A section that was dropped stays in its place:
 * `find` still knows it, as an index drops it later; all other members leave it out.
 */
export class SectionTable implements Iterable<ManifestSection> {
  readonly #names: TenantNames;
  readonly #count: number;
  readonly #isWide: boolean;
  readonly #rows: DataView;
  /** 1: dropped. Absent while no section is dropped. */
  #dropped: Uint8Array | undefined;
  #droppedCount = 0;

  constructor(sections: readonly ManifestSection[], names: TenantNames) {
    const sorted = isSorted(sections) ? sections : [...sections].sort((a, b) => compare(a.tenant, b.tenant));
    this.#names = names;
    this.#count = sorted.length;
    this.#isWide = sorted.some(({ rowCount, lineBytes }) => rowCount > u32Max || lineBytes > u32Max);
    const view = new DataView(new ArrayBuffer(sorted.length * this.#rowBytes));
    this.#rows = view;
    for (const [i, { tenant, minNs, maxNs, rowCount, lineBytes }] of sorted.entries()) {
      const at = i * this.#rowBytes;
      view.setUint32(at, names.idOf(tenant));
      view.setBigInt64(at + 4, minNs);
      view.setBigInt64(at + 12, maxNs);
      if (this.#isWide) {
        view.setFloat64(at + 20, rowCount);
        view.setFloat64(at + 28, lineBytes);
      } else {
        view.setUint32(at + 20, rowCount);
        view.setUint32(at + 24, lineBytes);
      }
    }
  }

  get #rowBytes(): number {
    return this.#isWide ? wideBytes : narrowBytes;
  }

  /** Sections that are not dropped. */
  get length(): number {
    return this.#count - this.#droppedCount;
  }

  *[Symbol.iterator](): Iterator<ManifestSection> {
    for (let i = 0; i < this.#count; i++) if (!this.#dropped?.[i]) yield this.#section(i);
  }

  /** The tenant's section, also when it was dropped. O(log sections). */
  find(tenant: string): ManifestSection | undefined {
    let [low, high] = [0, this.#count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#tenant(middle), tenant) < 0) low = middle + 1;
      else high = middle;
    }
    const isHere = low < this.#count && this.#tenant(low) === tenant;
    return isHere ? this.#section(low) : undefined;
  }

  /** Drops sections; returns those that were not dropped before. */
  drop(isDropped: (section: ManifestSection) => boolean): ManifestSection[] {
    const sections: ManifestSection[] = [];
    for (let i = 0; i < this.#count; i++) {
      if (this.#dropped?.[i]) continue;
      const section = this.#section(i);
      if (!isDropped(section)) continue;
      this.#dropped ??= new Uint8Array(this.#count);
      this.#dropped[i] = 1;
      this.#droppedCount++;
      sections.push(section);
    }
    return sections;
  }

  #tenant(i: number): string {
    return this.#names.nameOf(this.#rows.getUint32(i * this.#rowBytes));
  }

  #section(i: number): ManifestSection {
    const at = i * this.#rowBytes;
    const rows = this.#rows;
    return {
      tenant: this.#tenant(i),
      minNs: rows.getBigInt64(at + 4),
      maxNs: rows.getBigInt64(at + 12),
      rowCount: this.#isWide ? rows.getFloat64(at + 20) : rows.getUint32(at + 20),
      lineBytes: this.#isWide ? rows.getFloat64(at + 28) : rows.getUint32(at + 24),
    };
  }
}

function isSorted(sections: readonly ManifestSection[]): boolean {
  for (let i = 1; i < sections.length; i++) if (sections[i - 1].tenant > sections[i].tenant) return false;
  return true;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
