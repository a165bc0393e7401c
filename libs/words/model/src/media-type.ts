/** The Content-Type header as Go's mime package parses it: step *admit*. */
import { LokiError } from './errors.ts';

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/;

/**
 * The media type of a Content-Type header, lower case, without parameters.
 *
 * @throws LokiError 400 in the words of Go's mime package, which agents' logs show
 */
export function parseMediaType(header: string): string {
  const [base, ...parameters] = header.split(';');
  const mediaType = base.trim().toLowerCase();
  const type = token.exec(mediaType)?.[0] ?? '';
  if (type === '') throw new LokiError('badRequest', 'mime: no media type');
  if (type.length < mediaType.length) {
    if (mediaType[type.length] !== '/') {
      throw new LokiError('badRequest', 'mime: expected slash after first token');
    }
    const subtype = token.exec(mediaType.slice(type.length + 1))?.[0] ?? '';
    if (subtype === '') throw new LokiError('badRequest', 'mime: expected token after slash');
    if (type.length + 1 + subtype.length < mediaType.length) {
      throw new LokiError('badRequest', 'mime: unexpected content after media subtype');
    }
  }
  checkParameters(parameters.join(';'));
  return mediaType;
}

/** `name=token` or `name="text"`, separated by semicolons; a trailing semicolon is forgiven. */
function checkParameters(text: string): void {
  const parameter =
    /[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[^"\\]|\\.)*"))?[ \t]*(;|$)/y;
  const names = new Set<string>();
  while (parameter.lastIndex < text.length) {
    const match = parameter.exec(text);
    const name = match?.[1]?.toLowerCase();
    if (!match || (name === undefined && parameter.lastIndex < text.length)) {
      throw new LokiError('badRequest', 'mime: invalid media parameter');
    }
    if (name === undefined) return;
    if (names.has(name)) throw new LokiError('badRequest', 'mime: duplicate parameter name');
    names.add(name);
  }
}
