/** The stage `unpack`. */
import { blockEnd, jsonErrors, skipBlanks, tokenEnd } from '@loki/go';
import { utf8Text } from '../common/byte-text.ts';
import type { ByteText } from '../common/byte-text.ts';
import { errorKinds } from '../common/error-labels.ts';
import { sanitizeLabelName } from '../common/label-name.ts';
import { hasEscape, stringEnd, unescapeBytes } from './json-scan.ts';
import { isScalar } from './json-stage.ts';
import type { NeededLabels } from './needed-labels.ts';
import type { Row } from './row.ts';

/** The field with the original line. */
const entryKey = '_entry';

/** Loki's text; 6 is its parser's number for "object". */
const notAnObject = 'expecting json object(6), but it is not';

/**
 * `| unpack`: reverses an agent's `pack` stage. String fields become labels and `_entry` becomes the line, if
 * there is an `_entry`.
 */
export class UnpackStage {
  readonly #needed: NeededLabels;
  readonly #texts: ByteText;

  constructor(needed: NeededLabels, texts: ByteText) {
    this.#needed = needed;
    this.#texts = texts;
  }

  run(row: Row): boolean {
    const bytes = row.bytes;
    const at = skipBlanks(bytes, row.start, row.end);
    if (at === row.end || bytes[at] !== 0x7b) {
      if (row.start < row.end) row.setError(errorKinds.json, notAnObject);
      return true;
    }
    const fields: [string, string][] = [];
    let entry: string | undefined;
    const failure = stringFields(bytes, at, row.end, this.#texts, (name, value) => {
      if (name === entryKey) entry ??= value;
      else fields.push([sanitizeLabelName(name), value]);
    });
    if (failure !== '') {
      row.setError(errorKinds.json, failure);
      return true;
    }
    if (entry === undefined) return true;
    for (const [name, value] of fields) if (name !== '') row.extract(name, value, this.#needed);
    row.setLineText(entry);
    return true;
  }
}

/**
 * Calls back for each field with a string value of the object at `at`; returns the error of the object, '' :
 * none.
 */
function stringFields(
  bytes: Buffer,
  at: number,
  end: number,
  texts: ByteText,
  onField: (name: string, value: string) => void,
): string {
  at = skipBlanks(bytes, at + 1, end);
  for (;;) {
    if (at === end) return jsonErrors.malformed;
    if (bytes[at] === 0x7d) return '';
    if (bytes[at] !== 0x22) return jsonErrors.object;
    const keyStart = at + 1;
    const keyEnd = stringEnd(bytes, keyStart, end);
    if (keyEnd < 0) return jsonErrors.malformed;
    at = skipBlanks(bytes, keyEnd, end);
    if (at === end || bytes[at] !== 0x3a) return jsonErrors.malformed;
    at = skipBlanks(bytes, at + 1, end);
    if (at === end) return jsonErrors.malformed;
    const first = bytes[at];
    const start = at;
    if (first === 0x22) at = stringEnd(bytes, at + 1, end);
    else if (first === 0x7b) at = blockEnd(bytes, at, end, 0x7b);
    else if (first === 0x5b) at = blockEnd(bytes, at, end, 0x5b);
    else {
      at = tokenEnd(bytes, at, end);
      if (!isScalar(bytes, start, at)) return jsonErrors.unknownValue;
    }
    if (at < 0) {
      return first === 0x5b ? jsonErrors.array : first === 0x22 ? jsonErrors.string : jsonErrors.object;
    }
    if (first === 0x22) {
      onField(stringText(bytes, keyStart, keyEnd - 1, texts), stringText(bytes, start + 1, at - 1, texts));
    }
    at = skipBlanks(bytes, at, end);
    if (at === end) return jsonErrors.array;
    if (bytes[at] === 0x2c) at = skipBlanks(bytes, at + 1, end);
    else if (bytes[at] !== 0x7d) return jsonErrors.object;
  }
}

function stringText(bytes: Buffer, start: number, end: number, texts: ByteText): string {
  if (!hasEscape(bytes, start, end)) return texts.text(bytes, start, end);
  return unescapeBytes(bytes, start, end) ?? utf8Text(bytes, start, end);
}
