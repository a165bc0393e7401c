/** Lays out the bytes of a segment: header, columns, footer, trailer (FORMAT.md). */
import { ByteWriter } from '@loki/bytes';
import type { TenantId } from '@loki/model';
import type { PackedUnit } from '../columns/unit.ts';
import type { RawSection, SegmentKind } from '../format/types.ts';
import type { EncodedBlock } from '../read/block-table.ts';
import {
  areaCount,
  areas,
  headerBytes,
  writeHeader,
  writeFooterSection,
  writeTrailer,
} from '../read/layout.ts';
import { writeSectionIndex } from '../read/section.ts';

/** A section with encoded blocks. Tenants must be proven ids, sorted, each once. */
export interface EncodedSection {
  readonly tenant: TenantId;
  readonly streams: RawSection['streams'];
  readonly blocks: readonly EncodedBlock[];
}

/** A writer's summary of a section, for catalogs. */
export interface SectionSummary {
  readonly tenant: TenantId;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
}

/** Lays out the object: header, areas, footer, trailer. Each section must have a block. */
export function assemble(
  sections: readonly EncodedSection[],
  kind: SegmentKind,
  level: number,
): { bytes: Buffer; sections: SectionSummary[] } {
  let total = headerBytes;
  const areaBytes = sections.map((section) =>
    Array.from({ length: areaCount }, (_, area) => {
      let bytes = 0;
      for (const block of section.blocks) {
        for (const unit of unitsOfArea(block, area)) bytes += unit.bytes.length;
      }
      total += bytes;
      return bytes;
    }),
  );
  const writer = new ByteWriter(total + 512 + (total >> 4));
  writeHeader(writer, kind);
  for (let area = 0; area < areaCount; area++) {
    for (const section of sections) {
      for (const block of section.blocks) {
        for (const unit of unitsOfArea(block, area)) writer.bytes(unit.bytes);
      }
    }
  }
  const footerStart = writer.length;
  const summaries = sections.map(summarize);
  const index = new ByteWriter(1024);
  const entries = new ByteWriter(256);
  entries.uvarint(sections.length);
  sections.forEach((section, i) => {
    const indexStart = index.length;
    writeSectionIndex(index, { ...section, minNs: summaries[i].minNs }, level);
    writeFooterSection(entries, {
      ...summaries[i],
      streamCount: section.streams.length,
      blockCount: section.blocks.length,
      indexBytes: index.length - indexStart,
      areaBytes: areaBytes[i],
    });
  });
  writer.bytes(entries.view());
  writer.bytes(index.view());
  writeTrailer(writer, kind, footerStart);
  return { bytes: writer.view(), sections: summaries };
}

function unitsOfArea(block: EncodedBlock, area: number): readonly PackedUnit[] {
  const { units } = block;
  switch (areas[area]) {
    case 'lines':
      return [units.lines];
    case 'metadata':
      return [units.bundle, ...units.large];
    case 'lengths':
      return [units.lengths];
    case 'timestamps':
      return [units.timestamps];
    default:
      return units.filter ? [units.filter] : [];
  }
}

function summarize({ tenant, blocks }: EncodedSection): SectionSummary {
  let [rowCount, lineBytes] = [0, 0];
  let minNs = blocks[0].baseNs;
  let maxNs = minNs;
  for (const block of blocks) {
    rowCount += block.rowCount;
    lineBytes += block.lineBytes;
    const last = block.baseNs + BigInt(block.maxTs);
    if (block.baseNs < minNs) minNs = block.baseNs;
    if (last > maxNs) maxNs = last;
  }
  return { tenant, minNs, maxNs, rowCount, lineBytes };
}
