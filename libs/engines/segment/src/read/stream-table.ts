/** The stream table of a section: labels by stream, and streams by label value. */
import { ByteWriter, BytesError } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { compareText, Labels } from '@loki/model';
import { DecodedColumn, encodeColumns } from '../columns/dictionary.ts';
import type { RawColumn } from '../columns/dictionary.ts';
import { cellsByRow } from '../columns/rows-of-columns.ts';
import { openPacked, readPacked, writePacked } from '../columns/unit.ts';
import type { PackedPart } from '../columns/unit.ts';
import { decodeOrCorrupt } from '../format/corrupt.ts';
import { footerPartBytesMax, namesMax } from '../format/format-bounds.ts';
import type { LabelCells, LabelIndex, RawSection } from '../format/types.ts';

/** Writes the names (text length * 2 + isLarge) with the bundle, then each large column, packed. */
export function writeStreamTable(writer: ByteWriter, streams: RawSection['streams'], level: number): void {
  const columns = labelColumns(streams);
  const encoded = encodeColumns(columns, streams.length);
  const names = new ByteWriter();
  names.uvarint(columns.length);
  columns.forEach((column, i) => {
    names.uvarint(Buffer.byteLength(column.name) * 2 + (encoded.isLarge[i] ? 1 : 0));
    names.text(column.name);
  });
  // Names and bundle share one frame, for small tables.
  const head = new ByteWriter(names.length + encoded.bundle.length);
  head.bytes(names.view());
  head.bytes(encoded.bundle);
  writePacked(writer, head.view(), level);
  for (const largeColumn of encoded.large) writePacked(writer, largeColumn, level);
}

/** One column for each label name, names and values sorted. */
function labelColumns(streams: RawSection['streams']): RawColumn[] {
  const byName = new Map<string, { rows: number[]; texts: string[] }>();
  streams.forEach(({ names, values }, stream) => {
    for (let i = 0; i < names.length; i++) {
      let column = byName.get(names[i]);
      if (!column) byName.set(names[i], (column = { rows: [], texts: [] }));
      column.rows.push(stream);
      column.texts.push(values[i]);
    }
  });
  const names = [...byName.keys()].sort(compareText);
  return names.map((name) => {
    const { rows, texts } = byName.get(name)!;
    const values = [...new Set(texts)].sort(compareText);
    const codeOf = new Map(values.map((value, i) => [value, i + 1]));
    const isSparse = rows.length * 4 < streams.length;
    const codes = new Uint32Array(isSparse ? rows.length : streams.length);
    for (let i = 0; i < rows.length; i++) codes[isSparse ? i : rows[i]] = codeOf.get(texts[i])!;
    return { name, values, codes, rows: isSparse ? Uint32Array.from(rows) : undefined };
  });
}

interface LabelColumn {
  /** Present until the column is decoded. */
  part: PackedPart | undefined;
  column: DecodedColumn | undefined;
  postings: { starts: Uint32Array; streams: Uint32Array } | undefined;
}

/** Labels of a section's streams: by stream, and inverted. Each column is decoded at its first use. */
export class StreamLabels implements LabelIndex {
  readonly count: number;
  readonly names: readonly string[];
  readonly #place: string;
  readonly #segment: string;
  readonly #columns = new Map<string, LabelColumn>();
  readonly #labels: Labels[] = [];
  #cells: LabelCells | undefined;
  #decoded: readonly DecodedColumn[] = [];
  #lastNames: readonly string[] = [];

  /** @param reader at the start of the bytes of `writeStreamTable` */
  constructor(reader: ByteReader, count: number, segment: string, place: string) {
    this.count = count;
    this.#segment = segment;
    this.#place = place;
    const head = openPacked(readPacked(reader, footerPartBytesMax));
    const names: string[] = [];
    const isOwn: boolean[] = [];
    for (let remaining = head.count(Math.min(namesMax, head.remaining)); remaining > 0; remaining--) {
      const size = head.uvarint();
      names.push(head.text(Math.floor(size / 2)));
      isOwn.push(size % 2 === 1);
      if (names.length > 1 && compareText(names.at(-2)!, names.at(-1)!) >= 0) {
        throw new BytesError('label names are not in order');
      }
    }
    names.forEach((name, i) => {
      if (isOwn[i]) return;
      const column = new DecodedColumn(name, count, head);
      this.#columns.set(name, { part: undefined, column, postings: undefined });
    });
    head.expectEnd();
    names.forEach((name, i) => {
      if (!isOwn[i]) return;
      const part = readPacked(reader, footerPartBytesMax);
      this.#columns.set(name, { part, column: undefined, postings: undefined });
    });
    this.names = names;
  }

  labels(index: number): Labels {
    const cached = this.#labels[index];
    if (cached) return cached;
    if (!(index >= 0 && index < this.count)) throw new RangeError(`stream ${index} of ${this.count}`);
    const { starts, column, code } = this.cells();
    const from = starts[index];
    const size = starts[index + 1] - from;
    const values: string[] = [];
    // Most streams have the same names as their neighbour: they share its array.
    let isLast = this.#lastNames.length === size;
    for (let i = 0; i < size; i++) {
      const source = this.#decoded[column[from + i]];
      values.push(source.values[code[from + i] - 1]);
      if (isLast && this.#lastNames[i] !== source.name) isLast = false;
    }
    if (!isLast) {
      this.#lastNames = Array.from({ length: size }, (_, i) => this.#decoded[column[from + i]].name);
    }
    return (this.#labels[index] = Labels.fromSorted(this.#lastNames, values));
  }

  cells(): LabelCells {
    if (!this.#cells) {
      this.#decoded = this.names.map((name) => this.#column(name)!);
      this.#cells = cellsByRow(this.#decoded, this.count);
    }
    return this.#cells;
  }

  values(name: string): readonly string[] {
    return this.#column(name)?.values ?? [];
  }

  codes(name: string): Uint32Array {
    return this.#column(name)?.codes ?? new Uint32Array(this.count);
  }

  streamsWith(name: string, valueIndex: number): Uint32Array {
    const column = this.#column(name);
    if (!column || !(valueIndex >= 0 && valueIndex < column.valueCount)) return new Uint32Array(0);
    const entry = this.#columns.get(name)!;
    entry.postings ??= invert(column);
    const { starts, streams } = entry.postings;
    return streams.subarray(starts[valueIndex], starts[valueIndex + 1]);
  }

  #column(name: string): DecodedColumn | undefined {
    const entry = this.#columns.get(name);
    if (!entry) return undefined;
    if (!entry.column) {
      entry.column = decodeOrCorrupt(this.#segment, `${this.#place}: label ${name}`, () => {
        const reader = openPacked(entry.part!);
        const column = new DecodedColumn(name, this.count, reader);
        reader.expectEnd();
        return column;
      });
      entry.part = undefined;
    }
    return entry.column;
  }
}

/** Streams sorted by code, by a counting sort, once for each label. */
function invert(column: DecodedColumn): { starts: Uint32Array; streams: Uint32Array } {
  const codes = column.rowCodes ?? column.codes;
  const rows = column.rows;
  // starts[code] first counts code - 1, as in cellsByRow; at the end it is the start of value `code`.
  const starts = new Uint32Array(column.valueCount + 2);
  for (let i = 0; i < codes.length; i++) starts[codes[i] + 1]++;
  starts[1] = 0; // streams without the label are not listed
  for (let code = 2; code < starts.length; code++) starts[code] += starts[code - 1];
  const streams = new Uint32Array(starts[starts.length - 1]);
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] !== 0) streams[starts[codes[i]]++] = rows ? rows[i] : i;
  }
  return { starts, streams };
}
