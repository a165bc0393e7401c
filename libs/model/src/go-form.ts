import { LokiError } from './errors.ts';
import { parseMediaType } from './media-type.ts';

/** A request as far as its parameters are concerned. */
export interface FormRequest {
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Raw text after `?`. */
  readonly queryText: string;
  readonly body: Buffer;
}

const formType = 'application/x-www-form-urlencoded';
const methodsWithForm = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Parameters of a request: those of a form body, then those of the URL, as Go's http.Request.ParseForm merges them.
 *
 * @throws LokiError 400 in Go's words for a content type, an escape or a separator that means nothing
 */
export function parseForm(request: FormRequest): URLSearchParams {
  const { method, headers, queryText, body } = request;
  if (!methodsWithForm.has(method)) return parseQueryText(queryText);
  const type = headers.get('content-type') ?? '';
  // Without a type a body is bytes.
  const isForm = type !== '' && parseMediaType(type) === formType;
  const form = isForm ? body.toString('utf8') : '';
  return parseQueryText(form === '' ? queryText : `${form}&${queryText}`);
}

/**
 * Parameters of the text after `?`.
 *
 * @throws LokiError 400 `invalid URL escape "%zz"`, `invalid semicolon separator in query`
 */
export function parseQueryText(text: string): URLSearchParams {
  if (/[;%]/.test(text)) for (const pair of text.split('&')) checkPair(pair);
  return new URLSearchParams(text);
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
