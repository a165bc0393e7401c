/**
 * The level of an entry (`detected_level`): labels, metadata, then the line. Step *decode* of a written
 * line.
 */
import { closingQuote } from '@loki/go';
import type { LevelFields } from './level-fields.ts';

/** Spellings of levels, lower case, with the level each one is. */
const spellings: readonly (readonly [spelling: string, level: string])[] = [
  ['trace', 'trace'],
  ['trc', 'trace'],
  ['debug', 'debug'],
  ['dbg', 'debug'],
  ['info', 'info'],
  ['inf', 'info'],
  ['information', 'info'],
  ['warn', 'warn'],
  ['wrn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['err', 'error'],
  ['critical', 'critical'],
  ['fatal', 'fatal'],
];

/** Words that count when they stand alone in a line; the other spellings are too common as parts of text. */
const keywords = ['trace', 'debug', 'fatal', 'critical', 'error', 'err', 'warning', 'warn', 'info'];

export const unknownLevel = 'unknown';

interface Word {
  readonly bytes: Uint8Array;
  readonly level: string;
}

const levelOfSpelling = new Map(spellings);
const wordsByLength: Word[][] = [];
for (const [spelling, level] of spellings) {
  (wordsByLength[spelling.length] ??= []).push({ bytes: Buffer.from(spelling), level });
}

const keywordsByFirst: Word[][] = [];
for (const word of keywords) {
  (keywordsByFirst[word.charCodeAt(0)] ??= []).push({
    bytes: Buffer.from(word),
    level: levelOfSpelling.get(word)!,
  });
}

const space = 0x20;
const quote = 0x22;
const equals = 0x3d;

/** Borders of a whole word; the ends of the line are borders too. */
const isLeftBorder = byteSet(' \t\n[({"\'=|');
const isRightBorder = byteSet(' \t\n[](){}:,!"\'=|');

/** Bytes that may start a keyword. */
const isFirstByte = new Uint8Array(256);
for (const word of keywords) {
  isFirstByte[word.charCodeAt(0)] = 1;
  isFirstByte[word.charCodeAt(0) - 0x20] = 1;
}

/** The level that a label or metadata value states: known spellings are unified, others kept as they are. */
export function normalizeLevel(value: string): string {
  return levelOfSpelling.get(value.toLowerCase()) ?? value;
}

/** OTLP's severity number as a level; undefined when the text is no such number. */
export function levelOfSeverityNumber(value: string): string | undefined {
  if (!/^[0-9]{1,2}$/.test(value)) return undefined;
  const number = Number(value);
  if (number > 24) return undefined;
  if (number === 0) return unknownLevel;
  return ['trace', 'debug', 'info', 'warn', 'error', 'fatal'][Math.floor((number - 1) / 4)];
}

/**
 * The level of a line: a field of a JSON object, else a logfmt field, else the first level word that stands
 * alone, else `unknown`.
 *
 * One pass of about 1 ns a byte; no string is made, the result is one of a few constants. The plain version,
 * by regular expressions, is the oracle in the tests.
 *
 * @param jsonDepthMax objects are searched down to this depth; 1 is the top level, 0 sets no bound
 */
export function detectLevel(
  bytes: Uint8Array,
  lineStart: number,
  lineEnd: number,
  fields: LevelFields,
  jsonDepthMax: number,
): string {
  let start = lineStart;
  let end = lineEnd;
  while (start < end && bytes[start] <= space) start++;
  while (start < end && bytes[end - 1] <= space) end--;
  if (end - start >= 2 && bytes[start] === 0x7b && bytes[end - 1] === 0x7d) {
    return (
      jsonLevel(bytes, start, end, fields, jsonDepthMax) ?? keywordLevel(bytes, start, end) ?? unknownLevel
    );
  }
  return textLevel(bytes, start, end, fields);
}

/**
 * The level of a line that is no JSON object. A logfmt field has priority over words before it. Looks at the
 * bytes after each border, since borders are rarer than letters that may start a keyword.
 */
function textLevel(bytes: Uint8Array, start: number, end: number, fields: LevelFields): string {
  const lastByte = fields.lastByte;
  let word = start < end && isFirstByte[bytes[start]] === 1 ? keywordAt(bytes, start, end) : undefined;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (isLeftBorder[byte] === 0) continue;
    if (
      byte === equals &&
      i > start &&
      lastByte[bytes[i - 1]] === 1 &&
      endsFieldName(bytes, start, i, fields)
    ) {
      // A key ends here that may state the level: the line is read as logfmt once, and that result counts.
      const level = logfmtLevel(bytes, start, end, fields);
      return level ?? word ?? keywordLevel(bytes, i, end) ?? unknownLevel;
    }
    if (word === undefined && i + 1 < end && isFirstByte[bytes[i + 1]] === 1) {
      word = keywordAt(bytes, i + 1, end);
    }
  }
  return word ?? unknownLevel;
}

/** Whether the token that ends before `at` is a field name. */
function endsFieldName(bytes: Uint8Array, start: number, at: number, fields: LevelFields): boolean {
  let from = at;
  while (from > start && bytes[from - 1] > space && bytes[from - 1] !== quote && bytes[from - 1] !== equals) {
    from--;
  }
  return fields.rankFolded(bytes, from, at) >= 0;
}

/** The known level of the best-ranked field of a logfmt line. */
function logfmtLevel(bytes: Uint8Array, start: number, end: number, fields: LevelFields): string | undefined {
  let best = -1;
  let bestStart = 0;
  let bestEnd = 0;
  let i = start;
  while (i < end && best !== 0) {
    while (i < end && bytes[i] <= space) i++;
    const keyStart = i;
    while (i < end && bytes[i] > space && bytes[i] !== equals && bytes[i] !== quote) i++;
    if (i >= end) break;
    const keyEnd = i;
    if (bytes[i] !== equals) {
      if (bytes[i] === quote) while (i < end && bytes[i] > space) i++;
      continue;
    }
    i++;
    let valueStart = i;
    let valueEnd: number;
    if (i < end && bytes[i] === quote) {
      valueStart = i + 1;
      valueEnd = closingQuote(bytes, valueStart, end);
      if (valueEnd < 0) break;
      i = valueEnd + 1;
    } else {
      while (i < end && bytes[i] > space) i++;
      valueEnd = i;
    }
    const rank = fields.rankFolded(bytes, keyStart, keyEnd);
    if (rank < 0 || (best >= 0 && rank >= best)) continue;
    best = rank;
    bestStart = valueStart;
    bestEnd = valueEnd;
  }
  return best < 0 ? undefined : levelOfBytes(bytes, bestStart, bestEnd);
}

/**
 * The known level of a JSON object's field: the first one in the text, independent of its name and depth.
 * Text under such a name that is no known level ends the search too, and so does the first fault.
 */
function jsonLevel(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: LevelFields,
  depthMax: number,
): string | undefined {
  let depth = 1;
  let i = start + 1;
  while (i < end) {
    const byte = bytes[i];
    if (byte <= space || byte === 0x2c) {
      i++;
      continue;
    }
    if (byte === 0x7d) {
      i++;
      if (--depth === 0) return undefined;
      continue;
    }
    if (byte !== quote) return undefined;
    const keyStart = i + 1;
    const keyEnd = closingQuote(bytes, keyStart, end);
    if (keyEnd < 0) return undefined;
    i = keyEnd + 1;
    while (i < end && bytes[i] <= space) i++;
    if (bytes[i] !== 0x3a) return undefined;
    i++;
    while (i < end && bytes[i] <= space) i++;
    const first = bytes[i];
    if (first === quote) {
      const valueEnd = closingQuote(bytes, i + 1, end);
      if (valueEnd < 0) return undefined;
      if (fields.hasExact(bytes, keyStart, keyEnd)) return levelOfBytes(bytes, i + 1, valueEnd);
      i = valueEnd + 1;
    } else if (first === 0x7b && (depthMax <= 0 || depth < depthMax)) {
      depth++;
      i++;
    } else if (first === 0x7b || first === 0x5b) {
      i = nestedEnd(bytes, i, end);
    } else {
      while (i < end && bytes[i] !== 0x2c && bytes[i] !== 0x7d) i++;
    }
  }
  return undefined;
}

/** Skips the object or array that opens at `at`, by counting brackets outside of strings. */
function nestedEnd(bytes: Uint8Array, at: number, end: number): number {
  let depth = 0;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    if (byte === quote) {
      i = closingQuote(bytes, i + 1, end);
      if (i < 0) return end;
    } else if (byte === 0x7b || byte === 0x5b) depth++;
    else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) return i + 1;
  }
  return end;
}

/** The first whole keyword after `start`, which is a border itself or the line's first byte. */
function keywordLevel(bytes: Uint8Array, start: number, end: number): string | undefined {
  for (let i = start; i + 1 < end; i++) {
    if (isLeftBorder[bytes[i]] === 0 || isFirstByte[bytes[i + 1]] === 0) continue;
    const level = keywordAt(bytes, i + 1, end);
    if (level !== undefined) return level;
  }
  return undefined;
}

/** The level of the whole keyword that starts at `at`. */
function keywordAt(bytes: Uint8Array, at: number, end: number): string | undefined {
  for (const word of keywordsByFirst[bytes[at] | 0x20]) {
    const wordEnd = at + word.bytes.length;
    if (wordEnd > end || (wordEnd < end && isRightBorder[bytes[wordEnd]] === 0)) continue;
    if (equalFolded(bytes, at, word.bytes)) return word.level;
  }
  return undefined;
}

function levelOfBytes(bytes: Uint8Array, start: number, end: number): string | undefined {
  const words = wordsByLength[end - start];
  if (words === undefined) return undefined;
  for (const word of words) if (equalFolded(bytes, start, word.bytes)) return word.level;
  return undefined;
}

/**
 * `word` holds lower-case ASCII letters only, so that setting bit 5 folds exactly the upper-case ones onto
 * them.
 */
function equalFolded(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if ((bytes[at + i] | 0x20) !== word[i]) return false;
  return true;
}

function byteSet(characters: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const character of characters) set[character.charCodeAt(0)] = 1;
  return set;
}
