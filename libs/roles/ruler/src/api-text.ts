/** HTTP responses of the ruler's APIs in Loki's form. */
import { goJson } from '@loki/go';
import type { HttpResponse, SlicedWork } from '@loki/ports';

/** The envelope of JSON answers, without a charset and a final line break, as in Loki's ruler. */
export function successResponse(data: unknown, status: number): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: goJson({ status: 'success', data, errorType: '', error: '' }),
  };
}

/** `successResponse` of a list that may be long: the same text, made item by item. */
export function* listResponse(name: string, items: readonly unknown[]): SlicedWork<HttpResponse> {
  const empty = successResponse({ [name]: [] }, 200);
  const text = empty.body as string;
  const at = text.indexOf('[') + 1;
  const pieces: Buffer[] = [Buffer.from(text.slice(0, at))];
  for (const [i, item] of items.entries()) {
    pieces.push(Buffer.from(`${i === 0 ? '' : ','}${goJson(item)}`));
    yield;
  }
  pieces.push(Buffer.from(text.slice(at)));
  return { ...empty, body: Buffer.concat(pieces) };
}

export function yamlResponse(body: string | Uint8Array): HttpResponse {
  return { status: 200, headers: { 'content-type': 'application/yaml' }, body };
}

/** RFC 3339 without trailing zeros; Go's zero time for never. */
export function timeText(ms: number | undefined): string {
  if (ms === undefined) return '0001-01-01T00:00:00Z';
  return new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
}
