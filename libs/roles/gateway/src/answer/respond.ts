/** HTTP responses from JSON bytes: step *respond* of a query. */
import { jsonHeaders } from '@loki/ports';
import type { HttpResponse } from '@loki/ports';
import type { JsonWriter } from './json-writer.ts';

/** A JSON response with Loki's headers. `release` is called when the bytes are no longer in use. */
export function writtenResponse(json: JsonWriter, release: () => void): HttpResponse {
  json.json('\n');
  return { status: 200, headers: jsonHeaders, body: json.finish(), release };
}
