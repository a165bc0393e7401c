import type { HttpResponse } from '@loki/ports';
import type { JsonWriter } from './json-writer.ts';

const headers = { 'content-type': 'application/json; charset=UTF-8' };

/** A JSON answer as Loki sends it: its content type, one newline at the end. */
export function jsonResponse(json: string, status = 200): HttpResponse {
  return { status, headers, body: `${json}\n` };
}

/** The same of what was written as bytes. */
export function writtenResponse(json: JsonWriter): HttpResponse {
  json.json('\n');
  return { status: 200, headers, body: json.finish() };
}
