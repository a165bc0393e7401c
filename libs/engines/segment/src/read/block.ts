/** Decodes blocks: step *fetch, scan* of a query, and the inputs of merges. */
import { ByteReader, BytesError } from '@loki/bytes';
import { freeMemory } from '@loki/model';
import { DecodedColumn } from '../columns/dictionary.ts';
import { readFloats, readUint32s } from '../columns/ints.ts';
import { cellsByRow } from '../columns/rows-of-columns.ts';
import { unpack } from '../columns/unit.ts';
import type { UnitRef } from '../columns/unit.ts';
import { searchFilterKind } from '../filter/filter-build.ts';
import { checkSearchFilter } from '../filter/filter-probe.ts';
import { decodeOrCorrupt } from '../format/corrupt.ts';
import { columns } from '../format/types.ts';
import type {
  Block,
  BlockFilter,
  BlockInfo,
  ColumnMask,
  MetadataColumn,
  RowMetadata,
} from '../format/types.ts';
import type { StoredBlockInfo } from './block-table.ts';

/** Gives the stored bytes of a unit; undefined when they were not fetched. */
type UnitSource = (unit: UnitRef) => Uint8Array | undefined;

/** The units of the columns in `mask`; if `metadataNames` is given, only these of the metadata. */
export function unitsOf(
  info: StoredBlockInfo,
  mask: ColumnMask,
  metadataNames?: readonly string[],
): UnitRef[] {
  const { units } = info;
  const needed: UnitRef[] = [];
  if (mask & columns.timestamps) needed.push(units.timestamps);
  // Lines cannot be read without their lengths.
  if (mask & (columns.lineLengths | columns.lines)) needed.push(units.lengths);
  if (mask & columns.lines) needed.push(units.lines);
  if (mask & columns.filter && units.filter) needed.push(units.filter);
  if (mask & columns.metadata) {
    let largeIndex = 0;
    let needsBundle = false;
    info.metadataNames.forEach((name, i) => {
      const isWanted = !metadataNames || metadataNames.includes(name);
      if (!info.isLarge[i]) needsBundle ||= isWanted;
      else {
        if (isWanted) needed.push(units.large[largeIndex]);
        largeIndex++;
      }
    });
    if (needsBundle) needed.push(units.bundle);
  }
  return needed.filter((unit) => unit.rawBytes > 0);
}

/** A block over its stored units: each is checked and decoded at first use, then cached. */
export class StoredBlock implements Block {
  readonly info: BlockInfo;
  readonly #stored: StoredBlockInfo;
  readonly #mask: ColumnMask;
  readonly #source: UnitSource;
  readonly #segment: string;
  readonly #place: string;
  readonly #ownsUnits: boolean;
  #timestamps: Float64Array | undefined;
  #lineEnds: Uint32Array | undefined;
  #lines: Buffer | undefined;
  #bundle: ReadonlyMap<string, DecodedColumn> | undefined;
  readonly #largeColumns = new Map<string, DecodedColumn>();
  #metadata: readonly DecodedColumn[] | undefined;
  #rowMetadata: RowMetadata | undefined;
  #filter: Buffer | undefined;

  /**
   * @param owner the names of segment and section, for errors; `ownsUnits`: nothing else uses the stored
   * bytes, which are freed once they are decompressed
   */
  constructor(
    info: StoredBlockInfo,
    mask: ColumnMask,
    source: UnitSource,
    owner: { readonly segment: string; readonly place: string; readonly ownsUnits?: boolean },
  ) {
    this.info = info;
    this.#stored = info;
    this.#mask = mask & columns.lines ? mask | columns.lineLengths : mask;
    this.#source = source;
    this.#segment = owner.segment;
    this.#place = `${owner.place}: block ${info.index}`;
    this.#ownsUnits = owner.ownsUnits ?? false;
  }

  timestamps(): Float64Array {
    this.#timestamps ??= this.#decode(
      'timestamps',
      columns.timestamps,
      this.#stored.units.timestamps,
      (raw) => decodeTimestamps(new ByteReader(raw), this.info),
    );
    return this.#timestamps;
  }

  lineEnds(): Uint32Array {
    this.#lineEnds ??= this.#decode('line lengths', columns.lineLengths, this.#stored.units.lengths, (raw) =>
      decodeLineEnds(new ByteReader(raw), this.info),
    );
    return this.#lineEnds;
  }

  lines(): Buffer {
    this.#lines ??= this.#decode('lines', columns.lines, this.#stored.units.lines, (raw) => raw);
    return this.#lines;
  }

  metadata(): readonly MetadataColumn[] {
    return this.#columns();
  }

  /** `metadata()` with the concrete type, for this library. */
  decodedColumns(): readonly DecodedColumn[] {
    return this.#columns();
  }

  metadataColumn(name: string): MetadataColumn | undefined {
    return this.#column(name);
  }

  rowMetadata(): RowMetadata {
    this.#rowMetadata ??= { columns: this.#columns(), ...cellsByRow(this.#columns(), this.info.rowCount) };
    return this.#rowMetadata;
  }

  filter(): BlockFilter | undefined {
    const { filterKind, units } = this.#stored;
    if (!units.filter) return undefined;
    this.#filter ??= this.#decode('search filter', columns.filter, units.filter, (raw) => {
      if (filterKind === searchFilterKind) checkSearchFilter(raw);
      return raw;
    });
    return { kind: filterKind, bytes: this.#filter };
  }

  /**
   * Frees the large columns at once, for an owner that has taken the last row: nothing that the block has
   * given out may be used afterwards.
   */
  free(): void {
    this.freeLines();
    const columns = [this.#timestamps, this.#lineEnds, this.#rowMetadata?.column, this.#rowMetadata?.code];
    for (const column of columns) if (column) freeMemory(column);
    this.#timestamps = undefined;
    this.#lineEnds = undefined;
    this.#rowMetadata = undefined;
  }

  freeLines(): void {
    // Lines that are stored as they are belong to the segment.
    if (this.#lines && this.#stored.units.lines.isCompressed) freeMemory(new Uint8Array(this.#lines.buffer));
    this.#lines = undefined;
  }

  memoryBytes(): number {
    let total = 500;
    if (this.#timestamps) total += this.#timestamps.byteLength;
    if (this.#lineEnds) total += this.#lineEnds.byteLength;
    if (this.#filter) total += this.#filter.byteLength;
    if (this.#lines) total += this.#lines.byteLength;
    for (const column of this.#bundle?.values() ?? []) total += column.memoryBytes;
    for (const column of this.#largeColumns.values()) total += column.memoryBytes;
    if (this.#rowMetadata) {
      total += this.#rowMetadata.starts.byteLength + this.#rowMetadata.code.byteLength * 2;
    }
    return total;
  }

  #columns(): readonly DecodedColumn[] {
    this.#metadata ??= this.info.metadataNames.map((name) => this.#column(name)!);
    return this.#metadata;
  }

  #column(name: string): DecodedColumn | undefined {
    this.#require('metadata', columns.metadata);
    const cached = this.#largeColumns.get(name) ?? this.#bundle?.get(name);
    if (cached) return cached;
    const { metadataNames, isLarge: isOwn, units } = this.#stored;
    const at = metadataNames.indexOf(name);
    if (at < 0) return undefined;
    if (isOwn[at]) {
      let largeIndex = 0;
      for (let i = 0; i < at; i++) if (isOwn[i]) largeIndex++;
      const column = this.#decode(`metadata ${name}`, columns.metadata, units.large[largeIndex], (raw) =>
        this.#readColumns(raw, [name]),
      ).get(name)!;
      this.#largeColumns.set(name, column);
      return column;
    }
    this.#bundle = this.#decode('metadata', columns.metadata, units.bundle, (raw) =>
      this.#readColumns(
        raw,
        metadataNames.filter((_, i) => !isOwn[i]),
      ),
    );
    return this.#bundle.get(name);
  }

  #readColumns(raw: Buffer, names: readonly string[]): Map<string, DecodedColumn> {
    const reader = new ByteReader(raw);
    const decoded = new Map<string, DecodedColumn>();
    for (const name of names) decoded.set(name, new DecodedColumn(name, this.info.rowCount, reader));
    reader.expectEnd();
    return decoded;
  }

  #require(subject: string, bit: ColumnMask): void {
    // A fault of the caller, not damage.
    if (!(this.#mask & bit)) throw new Error(`${this.#place}: ${subject} were not asked for`);
  }

  #decode<T>(subject: string, bit: ColumnMask, unit: UnitRef, decode: (raw: Buffer) => T): T {
    this.#require(subject, bit);
    const stored = unit.rawBytes === 0 ? Buffer.alloc(0) : this.#source(unit);
    if (!stored) throw new Error(`${this.#place}: ${subject} were not fetched`);
    return decodeOrCorrupt(this.#segment, `${this.#place}: ${subject}`, () => {
      const raw = unpack(unit, stored);
      if (this.#ownsUnits && unit.isCompressed) freeMemory(stored);
      return decode(raw);
    });
  }
}

function decodeTimestamps(reader: ByteReader, info: BlockInfo): Float64Array {
  const { runs, rowCount } = info;
  const { count, firstRow, minTs, maxTs } = runs;
  const deltas = readFloats(reader, rowCount - count);
  reader.expectEnd();
  const out = new Float64Array(rowCount);
  let at = 0;
  for (let run = 0; run < count; run++) {
    const end = firstRow[run + 1];
    let ts = minTs[run];
    out[firstRow[run]] = ts;
    for (let row = firstRow[run] + 1; row < end; row++) out[row] = ts += deltas[at++];
    if (ts !== maxTs[run]) throw new BytesError(`run ${run} ends at ${ts}, not at ${maxTs[run]}`);
  }
  return out;
}

function decodeLineEnds(reader: ByteReader, info: BlockInfo): Uint32Array {
  const { runs, rowCount } = info;
  // With one row in each run the footer has the lengths already.
  const ends = rowCount === runs.count ? Uint32Array.from(runs.lineBytes) : readUint32s(reader, rowCount);
  reader.expectEnd();
  let end = 0;
  for (let run = 0; run < runs.count; run++) {
    const start = end;
    for (let row = runs.firstRow[run]; row < runs.firstRow[run + 1]; row++) {
      end += ends[row];
      ends[row] = end;
    }
    if (end - start !== runs.lineBytes[run]) {
      throw new BytesError(`run ${run} has ${end - start} bytes, not ${runs.lineBytes[run]}`);
    }
  }
  return ends;
}

/** Unit source for a whole object. The footer check has proved that units lie inside. */
export function unitsIn(bytes: Buffer): UnitSource {
  return (unit) => bytes.subarray(unit.offset, unit.offset + unit.storedBytes);
}

export function blockInfo(blocks: readonly StoredBlockInfo[], index: number): StoredBlockInfo {
  const info = blocks[index];
  if (!info) throw new RangeError(`block ${index} of ${blocks.length}`);
  return info;
}
