/** Bytes of structured metadata by run, for volumes: steps *flush* of a written line and *merge* of a day. */
import type { DecodedColumn, RawColumn } from './dictionary.ts';

/**
 * Bytes of one metadata pair without its texts: two references into Loki's table of symbols. The statistics
 * of queries count only these.
 */
export const pairBytes = 8;

/**
 * The metadata bytes of each run, as volumes count them: 8 for each pair, and the bytes of each distinct name
 * or value once. Pairs with an empty value count nothing.
 *
 * @param valueBytes for each column the UTF-8 bytes of its values
 * @param runFirstRow runs + 1
 *
 * O(pairs), and a few nanoseconds for each character of seven of each value.
 */
export function metadataBytesOfRuns(
  columns: readonly RawColumn[],
  valueBytes: readonly Uint32Array[],
  runFirstRow: Uint32Array,
): Float64Array {
  const runCount = runFirstRow.length - 1;
  const bytes = new Float64Array(runCount);
  const numbers = numbersOfShared([columns.map(({ name }) => name), ...columns.map(({ values }) => values)]);
  /** Shared texts that a run has: run and number as one number. */
  const counted = new Set<number>();
  const addText = (run: number, textBytes: number, number: number) => {
    if (number > 0) {
      const key = number * runCount + run;
      if (counted.has(key)) return;
      counted.add(key);
    }
    bytes[run] += textBytes;
  };
  let firstText = columns.length;
  columns.forEach(({ name, values, codes, rows }, at) => {
    const lengths = valueBytes[at];
    const nameBytes = Buffer.byteLength(name);
    /** For each code the last run that has it, and 1. */
    const lastRun = new Uint32Array(values.length + 1);
    let [run, nameRun] = [0, -1];
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0 || lengths[code - 1] === 0) continue;
      const row = rows ? rows[i] : i;
      while (row >= runFirstRow[run + 1]) run++;
      bytes[run] += pairBytes;
      if (lastRun[code] === run + 1) continue;
      lastRun[code] = run + 1;
      if (nameRun !== run) addText((nameRun = run), nameBytes, numbers[at]);
      addText(run, lengths[code - 1], numbers[firstText + code - 1]);
    }
    firstText += values.length;
  });
  return bytes;
}

/** The same of columns that were read. */
export function metadataBytesOfDecoded(
  columns: readonly DecodedColumn[],
  runFirstRow: Uint32Array,
): Float64Array {
  const raw = columns.map((column): RawColumn => {
    const { name, values, rows, rowCodes } = column;
    return { name, values, rows, codes: rowCodes ?? column.codes };
  });
  return metadataBytesOfRuns(
    raw,
    columns.map(({ valueBytes }) => valueBytes),
    runFirstRow,
  );
}

/**
 * For each text of the lists, which hold a text once, the number of the text if another list has it too, else
 * 0. Ids stand in one list only, and a look at a few characters shows it for nearly all of them.
 */
function numbersOfShared(lists: readonly (readonly string[])[]): Uint32Array {
  let textCount = 0;
  for (const list of lists) textCount += list.length;
  let slotCount = 256;
  while (slotCount < textCount * 16) slotCount *= 2;
  /** Per slot the number of the list that has a text there, from 1 on, or `several`. */
  const owners = new Uint32Array(slotCount);
  const several = 0xffff_ffff;
  const slots = new Uint32Array(textCount);
  let at = 0;
  lists.forEach((list, index) => {
    for (const text of list) {
      const slot = lookAt(text) & (slotCount - 1);
      slots[at++] = slot;
      if (owners[slot] === 0) owners[slot] = index + 1;
      else if (owners[slot] !== index + 1) owners[slot] = several;
    }
  });
  const numbers = new Uint32Array(textCount);
  /** The place of a text in its first list. */
  const places = new Map<string, number>();
  let next = 1;
  at = -1;
  for (const list of lists) {
    for (const text of list) {
      if (owners[slots[++at]] !== several) continue;
      const place = places.get(text);
      if (place === undefined) places.set(text, at);
      else numbers[at] = numbers[place] ||= next++;
    }
  }
  return numbers;
}

/** A hash of a text's length, its first and its last six characters. */
function lookAt(text: string): number {
  const { length } = text;
  let hash = length;
  if (length > 0) hash = Math.imul(hash ^ text.charCodeAt(0), 0x0100_0193);
  for (let at = Math.max(0, length - 6); at < length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  }
  return hash ^ (hash >>> 15);
}
