/** The block table of a section's footer: what readers know of a block before they read it. */
import { ByteWriter, BytesError } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { compareText } from '@loki/model';
import { readUnitEntry, writeUnitEntry } from '../columns/unit.ts';
import type { PackedUnit, UnitRef } from '../columns/unit.ts';
import { searchFilterBytesMax, searchFilterKind } from '../filter/filter-build.ts';
import {
  blockLineBytesMax,
  blockRowsMax,
  blockSpanNsMax,
  footerPartBytesMax,
  metadataUnitBytesMax,
  namesMax,
} from '../format/format-bounds.ts';
import type { BlockInfo, Runs } from '../format/types.ts';

/** The areas of a section, each with one kind of unit, in their order: indexes of a cursor. */
const areas = { lines: 0, metadata: 1, lengths: 2, timestamps: 3, filters: 4 } as const;

/** The units of a block in the object. */
interface BlockUnits {
  readonly lines: UnitRef;
  /** Small metadata columns, one after another, in name order. */
  readonly bundle: UnitRef;
  /** Large metadata columns, each a unit of its own, in name order. */
  readonly large: readonly UnitRef[];
  readonly lengths: UnitRef;
  readonly timestamps: UnitRef;
  readonly filter: UnitRef | undefined;
}

/** An encoded block before it is laid out. Metadata columns are sorted by name. */
export interface EncodedBlock {
  readonly rowCount: number;
  readonly baseNs: bigint;
  readonly maxTs: number;
  readonly lineBytes: number;
  readonly runs: Runs;
  readonly metadataNames: readonly string[];
  readonly isLarge: readonly boolean[];
  /** As in BlockInfo; undefined in a record. */
  readonly metadataBytes: Float64Array | undefined;
  readonly units: {
    readonly lines: PackedUnit;
    readonly bundle: PackedUnit;
    readonly large: readonly PackedUnit[];
    readonly lengths: PackedUnit;
    readonly timestamps: PackedUnit;
    /** undefined when filterKind is 0. */
    readonly filter: PackedUnit | undefined;
  };
  readonly filterKind: number;
}

/** Encodes the block table: the fields of `BlockInfo` without the runs, and the table of units. */
export function encodeBlockTable(blocks: readonly EncodedBlock[], minNs: bigint): Buffer {
  const names = [...new Set(blocks.flatMap((block) => block.metadataNames))].sort(compareText);
  const idOf = new Map(names.map((name, id) => [name, id]));
  const writer = new ByteWriter(64 + blocks.length * 48);
  writer.uvarint(names.length);
  for (const name of names) writer.sizedText(name);
  for (const block of blocks) {
    writer.uvarint(block.rowCount);
    writer.uvarint(block.runs.count);
    writer.uvarint64(block.baseNs - minNs);
    writer.uvarint(block.maxTs);
    writer.uvarint(block.lineBytes);
    writer.uvarint(block.metadataNames.length);
    let idMin = 0;
    block.metadataNames.forEach((name, i) => {
      const id = idOf.get(name)!;
      writer.uvarint((id - idMin) * 2 + (block.isLarge[i] ? 1 : 0));
      idMin = id + 1;
    });
    const { lines, bundle, large, lengths, timestamps } = block.units;
    for (const unit of [lines, bundle, ...large, lengths, timestamps]) writeUnitEntry(writer, unit);
    writer.uvarint(block.filterKind);
    if (block.units.filter) writeUnitEntry(writer, block.units.filter);
  }
  return writer.view();
}

/** The footer's description of a block. */
export class StoredBlockInfo implements BlockInfo {
  readonly index: number;
  readonly rowCount: number;
  readonly runCount: number;
  readonly baseNs: bigint;
  readonly minTs = 0;
  readonly maxTs: number;
  readonly lineBytes: number;
  readonly metadataNames: readonly string[];
  /** For each name: whether the column is large, a unit of its own. */
  readonly isLarge: readonly boolean[];
  readonly filterKind: number;
  readonly units: BlockUnits;
  readonly storedBytes: number;
  readonly #runs: () => readonly Runs[];
  readonly #metadataBytes: () => readonly Float64Array[] | null;

  /**
   * @param cursor start of this block's bytes in each area; it is moved to their end
   * @param runs   decodes the section's runs at first use; `metadataBytes` theirs
   */
  constructor(
    index: number,
    reader: ByteReader,
    owner: {
      readonly minNs: bigint;
      readonly names: readonly string[];
      readonly cursor: number[];
      readonly runs: () => readonly Runs[];
      readonly metadataBytes: () => readonly Float64Array[] | null;
    },
  ) {
    const { cursor, names } = owner;
    const usedBytes = sum(cursor);
    this.index = index;
    this.#runs = owner.runs;
    this.#metadataBytes = owner.metadataBytes;
    this.rowCount = reader.count(blockRowsMax);
    this.runCount = reader.count(this.rowCount);
    if (this.runCount === 0) throw new BytesError(`block ${index} is empty`);
    this.baseNs = owner.minNs + reader.uvarint64();
    this.maxTs = reader.count(blockSpanNsMax);
    this.lineBytes = reader.count(blockLineBytesMax);
    const metadataNames: string[] = [];
    const isLarge: boolean[] = [];
    let idMin = 0;
    for (let remaining = reader.count(Math.min(namesMax, reader.remaining)); remaining > 0; remaining--) {
      const code = reader.uvarint();
      const id = idMin + Math.floor(code / 2);
      if (id >= names.length) throw new BytesError(`metadata key ${id} of ${names.length}`);
      metadataNames.push(names[id]);
      isLarge.push(code % 2 === 1);
      idMin = id + 1;
    }
    this.metadataNames = metadataNames;
    this.isLarge = isLarge;
    const readUnit = (area: number, rawBytesMax: number) => {
      const unit = readUnitEntry(reader, cursor[area], rawBytesMax);
      cursor[area] += unit.storedBytes;
      return unit;
    };
    const lines = readUnit(areas.lines, blockLineBytesMax);
    if (lines.rawBytes !== this.lineBytes) throw new BytesError(`lines of block ${index} have two sizes`);
    const bundle = readUnit(areas.metadata, metadataUnitBytesMax);
    const large: UnitRef[] = [];
    for (const isLargeColumn of isLarge) {
      if (isLargeColumn) large.push(readUnit(areas.metadata, metadataUnitBytesMax));
    }
    const lengths = readUnit(areas.lengths, this.rowCount * 8 + 16);
    const timestamps = readUnit(areas.timestamps, this.rowCount * 8 + 16);
    this.filterKind = reader.count(0xffff_ffff);
    const filter =
      this.filterKind === 0 ? undefined : readUnit(areas.filters, filterBytesMax(this.filterKind));
    this.units = { lines, bundle, large, lengths, timestamps, filter };
    this.storedBytes = sum(cursor) - usedBytes;
  }

  get runs(): Runs {
    return this.#runs()[this.index];
  }

  get metadataBytes(): Float64Array | undefined {
    return this.#metadataBytes()?.[this.index];
  }
}

/** Filters of later versions may be of any size. */
function filterBytesMax(kind: number): number {
  return kind === searchFilterKind ? searchFilterBytesMax : footerPartBytesMax;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
