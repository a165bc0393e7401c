/** Errors of an S3 server: which are worth another attempt, and their code in the catalogue. */
import { LokiError } from '@loki/model';
import { notFound } from './keys.ts';

/** S3's codes of a server that is asked for too much. */
const refusalCodes = new Set([
  'ServiceUnavailable',
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'TooManyRequests',
]);

/** S3's codes of errors that may pass. */
const retryableCodes = new Set([
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  ...refusalCodes,
  'XMinioServerNotInitialized',
]);

/** S3's codes of expired session keys. */
const expiryCodes = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired']);
const missingCodes = new Set(['NoSuchKey', 'NotFound']);

export class DeadlineError extends Error {}

export function isExpiry(error: unknown): boolean {
  return expiryCodes.has(codeOf(error) ?? '');
}

/** Whether the server refuses the request because it has too many. */
export function isRefusal(error: unknown): boolean {
  return refusalCodes.has(codeOf(error) ?? '');
}

/** Failures of the network and of a busy server may pass; a refusal is final. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof LokiError) return false;
  const code = codeOf(error);
  // Refusals carry S3's codes, in mixed case; the network's are ECONNRESET and the like, or there is none.
  return code === undefined || retryableCodes.has(code) || /^E[A-Z_]+$/.test(code) || code.startsWith('ERR_');
}

export function translate(key: string, error: unknown): Error {
  if (error instanceof LokiError) return error;
  const code = codeOf(error);
  if (code !== undefined && missingCodes.has(code)) return notFound(key);
  const text = error instanceof Error ? error.message : String(error);
  const reason = isExpiry(error) ? `the session token is no longer valid: ${text}` : text;
  const isPassing = isRetryable(error) || isExpiry(error);
  return new LokiError(
    isPassing ? 'unavailable' : 'internal',
    `object store: ${key}: ${code ?? ''} ${reason}`,
    {
      cause: error,
    },
  );
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
