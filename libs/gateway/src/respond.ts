import type { HttpResponse } from '@loki/ports';

/** A JSON answer as Loki sends it: its content type, one newline at the end. */
export function jsonResponse(json: string, status = 200): HttpResponse {
  return { status, headers: { 'content-type': 'application/json; charset=UTF-8' }, body: `${json}\n` };
}
