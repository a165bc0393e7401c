/** Dictionary-coded columns of texts: structured metadata and stream labels. */
import { isAscii } from 'node:buffer';
import { ByteWriter, BytesError } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { ownUnitFromBytes } from '../format/format-bounds.ts';
import type { MetadataColumn } from '../format/types.ts';
import { readUint32s, writeInts } from './ints.ts';

/**
 * A dictionary-coded column of strings before encoding. Sparse if `rows` is present, else dense; codes as in
 * MetadataColumn.
 */
export interface RawColumn {
  readonly name: string;
  readonly values: readonly string[];
  readonly codes: Uint32Array;
  readonly rows?: Uint32Array;
}

/** How the rows of a column refer to its values. */
const form = { uniform: 0, dense: 1, sparse: 2 } as const;

/** Encoded columns of one table: small ones in a bundle, large ones separately. */
interface EncodedColumns {
  /** In the order of the given columns. */
  readonly isLarge: readonly boolean[];
  readonly bundle: Buffer;
  readonly large: readonly Buffer[];
  /** For each column the UTF-8 bytes of its values. */
  readonly valueBytes: readonly Uint32Array[];
}

/** Encodes columns of a table of `rowCount` rows. Each must have at least one row with a value. */
export function encodeColumns(columns: readonly RawColumn[], rowCount: number): EncodedColumns {
  const bundle = new ByteWriter(1024);
  const scratch = new ByteWriter(ownUnitFromBytes * 2);
  const isLarge: boolean[] = [];
  const largeColumns: Buffer[] = [];
  const valueBytes: Uint32Array[] = [];
  for (const column of columns) {
    scratch.clear();
    valueBytes.push(writeColumn(scratch, column, rowCount));
    const large = scratch.length >= ownUnitFromBytes;
    isLarge.push(large);
    if (large) largeColumns.push(scratch.take());
    else bundle.bytes(scratch.view());
  }
  return { isLarge, bundle: bundle.view(), large: largeColumns, valueBytes };
}

/** Returns the UTF-8 bytes of each value. */
function writeColumn(writer: ByteWriter, column: RawColumn, rowCount: number): Uint32Array {
  const { values, codes, rows } = column;
  if (values.length === 1 && codes.length === rowCount && !codes.includes(0)) {
    writer.u8(form.uniform);
    writer.sizedText(values[0]);
    return Uint32Array.of(Buffer.byteLength(values[0]));
  }
  writer.u8(rows ? form.sparse : form.dense);
  writer.uvarint(values.length);
  const valueBytes = writeValues(writer, values);
  if (rows) {
    writer.uvarint(rows.length);
    const gaps = new Uint32Array(rows.length);
    for (let i = 0, next = 0; i < rows.length; i++) {
      gaps[i] = rows[i] - next;
      next = rows[i] + 1;
    }
    writeInts(writer, gaps);
  }
  writeInts(writer, codesToSymbols(codes));
  return valueBytes;
}

function writeValues(writer: ByteWriter, values: readonly string[]): Uint32Array {
  const lengths = new Uint32Array(values.length);
  const allValues = Buffer.from(values.join(''), 'utf8');
  if (isAscii(allValues)) {
    for (let i = 0; i < values.length; i++) lengths[i] = values[i].length;
    writeInts(writer, lengths);
    writer.bytes(allValues);
    return lengths;
  }
  // Values are encoded one by one, because a lone surrogate at the end of a value must not join one at the
  // start of the next.
  const body = new ByteWriter(allValues.length);
  for (let i = 0; i < values.length; i++) {
    const valueStart = body.length;
    body.text(values[i]);
    lengths[i] = body.length - valueStart;
  }
  writeInts(writer, lengths);
  writer.bytes(body.view());
  return lengths;
}

/**
 * With a dictionary in order of first appearance most codes are "the next new value". This becomes symbol 1,
 * so that a column of unique values (trace ids) has almost constant symbols. 0 = absent, s >= 2 = code s - 1.
 */
function codesToSymbols(codes: Uint32Array): Uint32Array {
  const symbols = new Uint32Array(codes.length);
  let max = 0;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === max + 1) {
      symbols[i] = 1;
      max = code;
    } else {
      symbols[i] = code === 0 ? 0 : code + 1;
      if (code > max) max = code;
    }
  }
  return symbols;
}

/**
 * Converts symbols to codes in place. Refuses codes beyond the dictionary, and absent values in a sparse
 * column.
 */
function symbolsToCodes(symbols: Uint32Array, valueCount: number, mayBeAbsent: boolean): void {
  let max = 0;
  for (let i = 0; i < symbols.length; i++) {
    const symbol = symbols[i];
    if (symbol === 0) {
      if (!mayBeAbsent) throw new BytesError('a listed row lacks its value');
    } else if (symbol === 1) {
      symbols[i] = ++max;
    } else {
      symbols[i] = symbol - 1;
      if (symbol - 1 > max) max = symbol - 1;
    }
  }
  if (max > valueCount) throw new BytesError(`code ${max} is beyond ${valueCount} values`);
}

/** Values of a column are decoded alone up to this share of them; then all are, which costs less for each. */
const loneShare = 1 / 16;

/** A decoded column. Strings and dense codes are created at first use. */
export class DecodedColumn implements MetadataColumn {
  readonly name: string;
  readonly rowCount: number;
  readonly rows: Uint32Array | undefined;
  readonly rowCodes: Uint32Array | undefined;
  readonly valueCount: number;
  readonly #valueBytes: Buffer;
  readonly #valueEnds: Uint32Array;
  #values: readonly string[] | undefined;
  #codes: Uint32Array | undefined;
  /** Values that were decoded alone. */
  #lookups = 0;

  constructor(name: string, rowCount: number, reader: ByteReader) {
    this.name = name;
    this.rowCount = rowCount;
    const columnForm = reader.u8();
    if (columnForm === form.uniform) {
      this.#valueBytes = reader.sizedBytes();
      this.#valueEnds = Uint32Array.of(this.#valueBytes.length);
      this.valueCount = 1;
      return;
    }
    if (columnForm !== form.dense && columnForm !== form.sparse) {
      throw new BytesError(`column has form ${columnForm}`);
    }
    // A value may be empty, but each occurs in a row at least.
    this.valueCount = reader.count(rowCount);
    this.#valueEnds = readUint32s(reader, this.valueCount);
    let total = 0;
    for (let i = 0; i < this.valueCount; i++) this.#valueEnds[i] = total += this.#valueEnds[i];
    this.#valueBytes = reader.bytes(total);
    if (columnForm === form.sparse) {
      this.rows = readUint32s(reader, reader.count(rowCount));
      for (let i = 0, next = 0; i < this.rows.length; i++) {
        const row = next + this.rows[i];
        if (row >= rowCount) throw new BytesError(`row ${row} is beyond ${rowCount} rows`);
        this.rows[i] = row;
        next = row + 1;
      }
      this.rowCodes = readUint32s(reader, this.rows.length);
      symbolsToCodes(this.rowCodes, this.valueCount, false);
    } else {
      this.#codes = readUint32s(reader, rowCount);
      symbolsToCodes(this.#codes, this.valueCount, true);
    }
  }

  /** True when every row has the one value. */
  get isUniform(): boolean {
    return this.rows === undefined && this.valueCount === 1 && this.#codes === undefined;
  }

  get values(): readonly string[] {
    this.#values ??= decodeTexts(this.#valueBytes, this.#valueEnds);
    return this.#values;
  }

  get codes(): Uint32Array {
    if (this.#codes) return this.#codes;
    const codes = new Uint32Array(this.rowCount);
    if (this.rows) {
      for (let i = 0; i < this.rows.length; i++) codes[this.rows[i]] = this.rowCodes![i];
    } else codes.fill(1);
    this.#codes = codes;
    return codes;
  }

  codeAt(row: number): number {
    if (this.#codes) return this.#codes[row];
    if (!this.rows) return 1;
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.rows[middle] < row) low = middle + 1;
      else high = middle;
    }
    return this.rows[low] === row ? this.rowCodes![low] : 0;
  }

  value(code: number): string {
    this.#lookups++;
    if (this.#values || this.#lookups > this.valueCount * loneShare) return this.values[code - 1];
    const start = code === 1 ? 0 : this.#valueEnds[code - 2];
    return this.#valueBytes.toString('utf8', start, this.#valueEnds[code - 1]);
  }

  /** UTF-8 bytes of each value. */
  get valueBytes(): Uint32Array {
    return this.#valueEnds.map((end, i) => (i === 0 ? end : end - this.#valueEnds[i - 1]));
  }

  /** Current memory in bytes; strings count as their bytes and a pointer. */
  get memoryBytes(): number {
    return (
      this.#valueBytes.length * (this.#values ? 2 : 1) +
      this.valueCount * (this.#values ? 36 : 4) +
      (this.rows ? this.rows.length * 8 : 0) +
      (this.#codes ? this.#codes.length * 4 : 0) +
      100
    );
  }
}

/**
 * Decodes texts that follow each other. If all are ASCII they are decoded together, and each text is a slice
 * of the result.
 */
function decodeTexts(bytes: Buffer, ends: Uint32Array): string[] {
  const texts: string[] = [];
  if (isAscii(bytes)) {
    const all = bytes.toString('latin1');
    for (let i = 0, start = 0; i < ends.length; i++) {
      texts.push(all.slice(start, ends[i]));
      start = ends[i];
    }
    return texts;
  }
  for (let i = 0, start = 0; i < ends.length; i++) {
    texts.push(bytes.toString('utf8', start, ends[i]));
    start = ends[i];
  }
  return texts;
}
