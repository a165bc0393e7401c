/** HTTP answers to pushes, in the format of their protocol: end of the push. */
import { LokiError } from '@loki/model';
import { errorText } from '@loki/ports';
import type { HttpRequest, HttpResponse } from '@loki/ports';
import { encodeStatus } from '@loki/proto';

/** The format of answers that the sender understands. */
export type PushFormat = 'loki' | 'otlp';

/** All rows were stored. */
export function accepted(): HttpResponse {
  return { status: 204 };
}

export function formatOf({ path }: HttpRequest): PushFormat {
  return path === '/otlp/v1/logs' ? 'otlp' : 'loki';
}

/** Bound of Retry-After: the client's other streams wait with the refused one. */
const retryAfterSecondsMax = 30;

/**
 * An error in the sender's format: text, or `google.rpc.Status` for OTLP.
 *
 * @param retryAfterMs time until the same push would be accepted; 0: unknown, then a second
 */
export function failed(format: PushFormat, status: number, text: string, retryAfterMs = 0): HttpResponse {
  const seconds = Math.min(Math.max(1, Math.ceil(retryAfterMs / 1_000)), retryAfterSecondsMax);
  const retry: Record<string, string> =
    status === 429 || status === 503 ? { 'retry-after': String(seconds) } : {};
  if (format === 'otlp') {
    return {
      // OTLP exporters retry 503, but drop what a 500 refused.
      status: status === 500 ? 503 : status,
      headers: { 'content-type': 'application/octet-stream', ...retry },
      body: encodeStatus(text),
    };
  }
  const answer = errorText(status, text);
  return { ...answer, headers: { ...answer.headers, ...retry } };
}

/** The answer to a push whose body is not read, because earlier pushes of its tenant wait. */
export function refusedPush(request: HttpRequest, backlogMs: number): HttpResponse {
  const { status, message } = tooManyPushes;
  return failed(formatOf(request), status, message, backlogMs);
}

const tooManyPushes = new LokiError('overloaded', 'too many pushes wait');
