import { isUtf8 } from 'node:buffer';
import { LokiError } from './errors.ts';
import { parseMediaType } from './media-type.ts';

/** A request as far as its parameters are concerned. */
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

  /** The first value; undefined when the name does not come. */
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
 * Parameters of a request: those of a form body, then those of the URL, as Go's http.Request.ParseForm merges
 * them.
 *
 * @throws LokiError 400 in Go's words for a content type, an escape or a separator that means nothing
 */
export function parseForm(request: FormRequest): FormValues {
  const { method, headers, queryText, body } = request;
  if (!methodsWithForm.has(method)) return parseQueryText(queryText);
  const type = headers.get('content-type') ?? '';
  // Without a type a body is bytes.
  const isForm = type !== '' && parseMediaType(type) === formType;
  const form = isForm ? body.toString('latin1') : '';
  return parseQueryText(form === '' ? queryText : `${form}&${queryText}`);
}

/**
 * Parameters of the text after `?`, whose characters are bytes, as HTTP hands them on. A byte that is no
 * UTF-8 becomes half a surrogate pair, U+DC00 and the byte: no text has such a thing, so a query with one can
 * be refused.
 *
 * @throws LokiError 400 `invalid URL escape "%zz"`, `invalid semicolon separator in query`
 */
export function parseQueryText(text: string): FormValues {
  const pairs: [string, string][] = [];
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    checkPair(pair);
    const equals = pair.indexOf('=');
    if (equals < 0) pairs.push([decodeValue(pair), '']);
    else pairs.push([decodeValue(pair.slice(0, equals)), decodeValue(pair.slice(equals + 1))]);
  }
  return new FormValues(pairs);
}

const hasBytes = /[%+\u0080-\uffff]/;

function decodeValue(text: string): string {
  if (!hasBytes.test(text)) return text;
  const bytes = Buffer.from(
    text
      .replaceAll('+', ' ')
      .replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  return isUtf8(bytes) ? bytes.toString('utf8') : decodeBroken(bytes);
}

function decodeBroken(bytes: Buffer): string {
  let text = '';
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes[i]);
    const sequence = bytes.subarray(i, i + length);
    const isWhole = sequence.length === length && isUtf8(sequence);
    text += isWhole ? sequence.toString('utf8') : String.fromCharCode(0xdc00 + bytes[i]);
    i += isWhole ? length : 1;
  }
  return text;
}

/** Bytes of the UTF-8 sequence that a first byte announces. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
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
  const shown = JSON.stringify(text.slice(wrong.index, wrong.index + 3));
  throw new LokiError('badRequest', `invalid URL escape ${shown}`);
}
