import { jsonHeaders } from '@loki/ports';
import type { HttpResponse } from '@loki/ports';
import type { JsonWriter } from './json-writer.ts';

/** A JSON answer as Loki sends it, of what was written as bytes. */
export function writtenResponse(json: JsonWriter): HttpResponse {
  json.json('\n');
  return { status: 200, headers: jsonHeaders, body: json.finish() };
}
