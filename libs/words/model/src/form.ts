/** Parameters of a request as Go's http.Request parses them: step *admit* of a query. */
import { isUtf8 } from 'node:buffer';
import { LokiError } from './errors.ts';
import { parseMediaType } from './media-type.ts';

/** The parts of a request that hold parameters. */
interface FormRequest {
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Raw text after `?`. */
  readonly queryText: string;
  readonly body: Buffer;
}

const formType = 'application/x-www-form-urlencoded';
const methodsWithForm = new Set(['POST', 'PUT', 'PATCH']);

/** Parameters in the order of their text. A name may come several times. */
export class FormValues {
  readonly #pairs: readonly (readonly [name: string, value: string])[];

  constructor(pairs: readonly (readonly [name: string, value: string])[]) {
    this.#pairs = pairs;
  }

  /** The first value; undefined when the parameter is absent. */
  get(name: string): string | undefined {
    return this.#pairs.find(([key]) => key === name)?.[1];
  }

  getAll(name: string): string[] {
    return this.#pairs.filter(([key]) => key === name).map(([, value]) => value);
  }

  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.#pairs[Symbol.iterator]();
  }
}

/**
 * Most bytes of one parameter with its name, as written: the longest query has 128 KiB, and each of its bytes
 * may be escaped as three.
 */
export const parameterBytesMax = 512 * 1024;
/** Most bytes of all parameters, and most parameters: the thread that answers health checks parses them. */
export const formBytesMax = 2 * 1024 * 1024;
export const parametersMax = 10_000;

/**
 * Parameters of a request: those of a form body, then those of the URL, as Go's http.Request.ParseForm merges
 * them.
 *
 * @throws LokiError 400 in Go's words for a content type, an invalid escape or separator, 400 or 413 beyond
 *   the bounds above
 */
export function parseForm(request: FormRequest): FormValues {
  const { method, headers, queryText, body } = request;
  if (!methodsWithForm.has(method)) return parseQueryText(queryText);
  const type = headers.get('content-type') ?? '';
  // Without a content type the body is not a form.
  const isForm = type !== '' && parseMediaType(type) === formType;
  if (!isForm || body.length === 0) return parseQueryText(queryText);
  checkFormBytes(body.length + queryText.length);
  return parseQueryText(`${body.toString('latin1')}&${queryText}`);
}

/**
 * Parameters of the text after `?`, where each character is one byte, as Node passes it. A byte that is no
 * UTF-8 becomes half a surrogate pair (U+DC00 + byte). Valid text never contains that, so the caller can
 * refuse such a query.
 *
 * @throws LokiError 400 `invalid URL escape "%zz"`, `invalid semicolon separator in query`, and as
 *   `parseForm`
 */
export function parseQueryText(text: string): FormValues {
  checkFormBytes(text.length);
  const pairs: [string, string][] = [];
  for (let start = 0; start < text.length;) {
    const ampersand = text.indexOf('&', start);
    const end = ampersand < 0 ? text.length : ampersand;
    if (end > start) {
      if (pairs.length >= parametersMax) {
        throw new LokiError('badRequest', `too many parameters, limit: ${parametersMax}`);
      }
      pairs.push(pairOf(text.slice(start, end)));
    }
    start = end + 1;
  }
  return new FormValues(pairs);
}

function checkFormBytes(bytes: number): void {
  if (bytes > formBytesMax + 1) {
    throw new LokiError('bodyTooLarge', `parameters too large, limit: ${formBytesMax} bytes`);
  }
}

function pairOf(pair: string): [name: string, value: string] {
  if (pair.length > parameterBytesMax) {
    throw new LokiError('badRequest', `parameter too long (${pair.length} > ${parameterBytesMax})`);
  }
  checkPair(pair);
  const equals = pair.indexOf('=');
  if (equals < 0) return [decodeValue(pair), ''];
  return [decodeValue(pair.slice(0, equals)), decodeValue(pair.slice(equals + 1))];
}

const hasBytes = /[%+\u0080-\uffff]/;

function decodeValue(text: string): string {
  if (!hasBytes.test(text)) return text;
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let byte = text.charCodeAt(i);
    if (byte === 0x2b) byte = 0x20;
    else if (byte === 0x25) {
      byte = (hexDigit(text.charCodeAt(i + 1)) << 4) | hexDigit(text.charCodeAt(i + 2));
      i += 2;
    }
    bytes[length++] = byte;
  }
  const decoded = bytes.subarray(0, length);
  return isUtf8(decoded) ? decoded.toString('utf8') : decodeBroken(decoded);
}

/** Value of a hex digit 0-9, a-f, A-F: letters have bit 6 set and count from 9. */
function hexDigit(code: number): number {
  return (code & 0xf) + (code >> 6) * 9;
}

/**
 * Text of bytes that are partly no UTF-8. Each broken byte is converted alone; the bytes between are decoded
 * as a whole.
 */
function decodeBroken(bytes: Buffer): string {
  const units = Buffer.allocUnsafe(2 * bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length;) {
    const size = sequenceLength(bytes, i);
    if (size > 1) length += units.write(bytes.toString('utf8', i, i + size), length, 'utf16le');
    else length = units.writeUInt16LE(bytes[i] < 0x80 ? bytes[i] : 0xdc00 + bytes[i], length);
    i += Math.max(1, size);
  }
  return units.toString('utf16le', 0, length);
}

/** Bytes of the UTF-8 sequence at `at`; 0: no sequence starts there. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const size = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size === 0 || at + size > bytes.length) return 0;
  // Overlong forms, surrogates and code points above U+10FFFF can be seen in the second byte.
  const second = bytes[at + 1];
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let i = at + 2; i < at + size; i++) if ((bytes[i] & 0xc0) !== 0x80) return 0;
  return size;
}

function checkPair(pair: string): void {
  if (pair.includes(';')) throw new LokiError('badRequest', 'invalid semicolon separator in query');
  const equals = pair.indexOf('=');
  checkEscapes(equals < 0 ? pair : pair.slice(0, equals));
  if (equals >= 0) checkEscapes(pair.slice(equals + 1));
}

function checkEscapes(text: string): void {
  const wrong = /%(?![0-9a-fA-F]{2})/.exec(text);
  if (!wrong) return;
  const quoted = JSON.stringify(text.slice(wrong.index, wrong.index + 3));
  throw new LokiError('badRequest', `invalid URL escape ${quoted}`);
}
