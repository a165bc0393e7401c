import { blockInfo, StoredBlock, unitsIn } from './block.ts';
import { unnamed } from './corrupt.ts';
import { checkHeader, readFooter } from './layout.ts';
import type { RawFooter } from './layout.ts';
import { StoredSection } from './section.ts';
import type { Block, ColumnMask, Section, Segment, SegmentFooter, SegmentKind } from './types.ts';

/** A footer with its sections, each of which decodes what is asked of it. */
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

  /** The section as this footer made it: others' sections would point into other bytes. */
  ours(section: Section): StoredSection {
    const own = this.#byTenant.get(section.tenant);
    if (own !== section) {
      throw new Error(`${this.name}: the section of ${section.tenant} is another segment's`);
    }
    return own;
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
    const own = this.ours(section);
    const info = blockInfo(own.blocks, index);
    return new StoredBlock(info, mask, unitsIn(this.bytes), { segment: this.name, where: own.where });
  }
}

/**
 * A segment whose bytes are in memory. Checks the footer; blocks are checked as they are decoded.
 *
 * @param name stands in errors: the object's key or the file's path
 * @throws LokiError `corrupt`
 */
export function openSegment(bytes: Uint8Array, name = unnamed): Segment {
  return new OpenSegment(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), name);
}
