import { jsonHeaders } from '@loki/ports';
import type { HttpResponse } from '@loki/ports';
import type { JsonWriter } from './json-writer.ts';

/**
 * A JSON answer as Loki sends it, of what was written as bytes. `release` is called when nobody holds them.
 */
export function writtenResponse(json: JsonWriter, release: () => void): HttpResponse {
  json.json('\n');
  return { status: 200, headers: jsonHeaders, body: json.finish(), release };
}
