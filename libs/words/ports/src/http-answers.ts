import { goJson } from '@loki/go';
import type { HttpResponse } from './http.ts';

/** Content type of JSON as Loki answers it. */
export const jsonHeaders = { 'content-type': 'application/json; charset=UTF-8' };

/** A value as JSON, with one newline at the end. */
export function jsonResponse(value: unknown, status = 200): HttpResponse {
  return jsonTextResponse(goJson(value), status);
}

/** The same of text that is JSON already. */
export function jsonTextResponse(json: string, status = 200): HttpResponse {
  return { status, headers: jsonHeaders, body: `${json}\n` };
}

/** Plain text as it is, without a line end of ours. */
export function textResponse(text: string, status = 200): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: text };
}

/** How Go's http.Error answers: one line of plain text that no browser may take for something else. */
export function errorText(status: number, text: string): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: `${text}\n`,
  };
}
