/** Opens a segment whose bytes are in memory. */
import { unnamed } from '../format/corrupt.ts';
import type { Block, ColumnMask, Section, Segment, SegmentFooter, SegmentKind } from '../format/types.ts';
import { blockInfo, StoredBlock, unitsIn } from './block.ts';
import { checkHeader, readFooter } from './layout.ts';
import type { RawFooter } from './layout.ts';
import { StoredSection } from './section.ts';

/** A footer with its sections, which are decoded at first use. */
export class OpenFooter implements SegmentFooter {
  readonly kind: SegmentKind;
  readonly version: number;
  readonly sizeBytes: number;
  readonly sections: readonly StoredSection[];
  readonly name: string;
  readonly #byTenant = new Map<string, StoredSection>();

  constructor(footer: RawFooter, name: string) {
    this.kind = footer.kind;
    this.version = footer.version;
    this.sizeBytes = footer.sizeBytes;
    this.name = name;
    this.sections = footer.entries.map((_, at) => new StoredSection(footer, at, name));
    for (const section of this.sections) this.#byTenant.set(section.tenant, section);
  }

  section(tenant: string): StoredSection | undefined {
    return this.#byTenant.get(tenant);
  }

  /** Checks that this footer made the section: a section of another segment refers to other bytes. */
  ownSection(section: Section): StoredSection {
    const ownSection = this.#byTenant.get(section.tenant);
    if (ownSection !== section) {
      throw new Error(`${this.name}: the section of ${section.tenant} is another segment's`);
    }
    return ownSection;
  }
}

/** See openSegment. */
export class OpenSegment extends OpenFooter implements Segment {
  readonly bytes: Buffer;

  constructor(bytes: Buffer, name: string) {
    super(readFooter(bytes, bytes.length, name), name);
    checkHeader(bytes, name);
    this.bytes = bytes;
  }

  block(section: Section, index: number, mask: ColumnMask): Block {
    const ownSection = this.ownSection(section);
    const info = blockInfo(ownSection.blocks, index);
    return new StoredBlock(info, mask, unitsIn(this.bytes), { segment: this.name, place: ownSection.place });
  }
}

/**
 * A segment whose bytes are in memory. Checks the footer; blocks are checked as they are decoded.
 *
 * @param name name in errors: the object's key or the file's path
 * @throws LokiError `corrupt`
 */
export function openSegment(bytes: Uint8Array, name = unnamed): Segment {
  return new OpenSegment(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), name);
}
