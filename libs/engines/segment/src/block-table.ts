import { ByteWriter, BytesError } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { compareText } from '@loki/model';
import { searchFilterBytesMax, searchFilterKind } from './filter-build.ts';
import {
  blockLineBytesMax,
  blockRowsMax,
  blockSpanNsMax,
  footerPartBytesMax,
  metadataUnitBytesMax,
  namesMax,
} from './format-bounds.ts';
import type { BlockInfo, Runs } from './types.ts';
import { readUnitEntry, writeUnitEntry } from './unit.ts';
import type { PackedUnit, UnitRef } from './unit.ts';

/** Units of a block in the object. */
interface BlockUnits {
  readonly lines: UnitRef;
  /** Small metadata columns, one after another, in name order. */
  readonly bundle: UnitRef;
  /** Large ones, in name order. */
  readonly own: readonly UnitRef[];
  readonly lengths: UnitRef;
  readonly timestamps: UnitRef;
  readonly filter: UnitRef | undefined;
}

/** A block on its way into a segment. Metadata columns are sorted by name. */
export interface EncodedBlock {
  readonly rowCount: number;
  readonly baseNs: bigint;
  readonly maxTs: number;
  readonly lineBytes: number;
  readonly runs: Runs;
  readonly metadataNames: readonly string[];
  readonly isOwn: readonly boolean[];
  readonly units: {
    readonly lines: PackedUnit;
    readonly bundle: PackedUnit;
    readonly own: readonly PackedUnit[];
    readonly lengths: PackedUnit;
    readonly timestamps: PackedUnit;
    /** Undefined when filterKind is 0. */
    readonly filter: PackedUnit | undefined;
  };
  readonly filterKind: number;
}

/** The block table: what `BlockInfo` says but for the runs, and the table of units. */
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
    let next = 0;
    block.metadataNames.forEach((name, i) => {
      const id = idOf.get(name)!;
      writer.uvarint((id - next) * 2 + (block.isOwn[i] ? 1 : 0));
      next = id + 1;
    });
    const { lines, bundle, own, lengths, timestamps } = block.units;
    for (const unit of [lines, bundle, ...own, lengths, timestamps]) writeUnitEntry(writer, unit);
    writer.uvarint(block.filterKind);
    if (block.units.filter) writeUnitEntry(writer, block.units.filter);
  }
  return writer.view();
}

/** A block as the footer describes it. */
export class StoredBlockInfo implements BlockInfo {
  readonly index: number;
  readonly rowCount: number;
  readonly runCount: number;
  readonly baseNs: bigint;
  readonly minTs = 0;
  readonly maxTs: number;
  readonly lineBytes: number;
  readonly metadataNames: readonly string[];
  /** Per name: is the column a unit of its own? */
  readonly isOwn: readonly boolean[];
  readonly filterKind: number;
  readonly units: BlockUnits;
  readonly storedBytes: number;
  readonly #runs: () => readonly Runs[];

  /**
   * @param cursor where this block's bytes start in each area; moved behind them
   * @param runs   decodes the section's runs at first use
   */
  constructor(
    index: number,
    reader: ByteReader,
    owner: {
      readonly minNs: bigint;
      readonly names: readonly string[];
      readonly cursor: number[];
      readonly runs: () => readonly Runs[];
    },
  ) {
    const { cursor, names } = owner;
    const before = sum(cursor);
    this.index = index;
    this.#runs = owner.runs;
    this.rowCount = reader.count(blockRowsMax);
    this.runCount = reader.count(this.rowCount);
    if (this.runCount === 0) throw new BytesError(`block ${index} is empty`);
    this.baseNs = owner.minNs + reader.uvarint64();
    this.maxTs = reader.count(blockSpanNsMax);
    this.lineBytes = reader.count(blockLineBytesMax);
    const metadataNames: string[] = [];
    const isOwn: boolean[] = [];
    let next = 0;
    for (let left = reader.count(Math.min(namesMax, reader.remaining)); left > 0; left--) {
      const step = reader.uvarint();
      const id = next + Math.floor(step / 2);
      if (id >= names.length) throw new BytesError(`metadata key ${id} of ${names.length}`);
      metadataNames.push(names[id]);
      isOwn.push(step % 2 === 1);
      next = id + 1;
    }
    this.metadataNames = metadataNames;
    this.isOwn = isOwn;
    const take = (area: number, rawBytesMax: number) => {
      const unit = readUnitEntry(reader, cursor[area], rawBytesMax);
      cursor[area] += unit.storedBytes;
      return unit;
    };
    const lines = take(0, blockLineBytesMax);
    if (lines.rawBytes !== this.lineBytes) throw new BytesError(`lines of block ${index} have two sizes`);
    const bundle = take(1, metadataUnitBytesMax);
    const own: UnitRef[] = [];
    for (const is of isOwn) if (is) own.push(take(1, metadataUnitBytesMax));
    const lengths = take(2, this.rowCount * 8 + 16);
    const timestamps = take(3, this.rowCount * 8 + 16);
    this.filterKind = reader.count(0xffff_ffff);
    const filter = this.filterKind === 0 ? undefined : take(4, filterBytesMax(this.filterKind));
    this.units = { lines, bundle, own, lengths, timestamps, filter };
    this.storedBytes = sum(cursor) - before;
  }

  get runs(): Runs {
    return this.#runs()[this.index];
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
