/** Answers of HTTP handlers in the forms that Loki uses. */
import { goJson } from '@loki/go';
import type { HttpResponse } from './http.ts';

/** Content type of JSON as Loki answers it. */
export const jsonHeaders = { 'content-type': 'application/json; charset=UTF-8' };

/** Answers with a value as JSON and one newline at the end. */
export function jsonResponse(value: unknown, status = 200): HttpResponse {
  return jsonTextResponse(goJson(value), status);
}

/** Answers with text that is already JSON. */
export function jsonTextResponse(json: string, status = 200): HttpResponse {
  return { status, headers: jsonHeaders, body: `${json}\n` };
}

/** Answers with plain text, unchanged, without a line end. */
export function textResponse(text: string, status = 200): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: text };
}

/**
 * Answers as Go's http.Error does: one line of plain text, with a header that keeps browsers from guessing
 * another type.
 */
export function errorText(status: number, text: string): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: `${text}\n`,
  };
}
