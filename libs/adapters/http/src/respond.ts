/** Answers of the server itself: errors, starting, method not allowed. */
import { errors, LokiError } from '@loki/model';
import { errorText } from '@loki/ports';
import type { HttpResponse } from '@loki/ports';

/** Seconds after which a refused request may come again. */
const retryAfterSeconds = '1';

/**
 * The text of a failure for the client: Loki's text for errors of the catalogue, no internal details for
 * others.
 *
 * @param isBare the text ends without a newline
 */
export function errorResponse(error: unknown, isBare = false): HttpResponse {
  const isKnown = error instanceof LokiError;
  const written = errorText(isKnown ? error.status : 500, isKnown ? error.message : 'internal error');
  const response = isBare ? { ...written, body: (written.body as string).slice(0, -1) } : written;
  if (!isKnown) return response;
  if (!errors[error.code].retryable || error.code === 'timeout') return response;
  return { ...response, headers: { ...response.headers, 'retry-after': retryAfterSeconds } };
}

export const notFound: HttpResponse = errorText(404, '404 page not found');

/** The answer while the process starts. */
export const starting: HttpResponse = errorResponse(new LokiError('unavailable', 'the process is starting'));

/** The answer to a known path with another method. */
export function methodNotAllowed(methods: readonly string[]): HttpResponse {
  const response = errorText(405, 'method not allowed');
  return { ...response, headers: { ...response.headers, allow: methods.join(', ') } };
}
