/** HTTP responses of the ruler's APIs in Loki's form. */
import { goJson } from '@loki/go';
import type { HttpResponse } from '@loki/ports';

/** The envelope of JSON answers, without a charset and a final line break, as in Loki's ruler. */
export function successResponse(data: unknown, status: number): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: goJson({ status: 'success', data, errorType: '', error: '' }),
  };
}

export function yamlResponse(text: string): HttpResponse {
  return { status: 200, headers: { 'content-type': 'application/yaml' }, body: text };
}

/** RFC 3339 without trailing zeros; Go's zero time for never. */
export function timeText(ms: number | undefined): string {
  if (ms === undefined) return '0001-01-01T00:00:00Z';
  return new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
}
