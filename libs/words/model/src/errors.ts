/** The catalogue of failures with their statuses. Every step that refuses a request throws one of these. */

/** The meaning of one kind of failure for a client. */
interface ErrorSpec {
  /** HTTP status. */
  readonly http: number;
  /** gRPC status name. */
  readonly grpc: string;
  /** May the same request succeed later, unchanged? */
  readonly retryable: boolean;
}

/**
 * The catalogue: every failure that clients, peers, disks or networks can cause, with its HTTP and gRPC
 * status. The code that detects a failure writes its text, because the text carries details; statuses are
 * defined here only.
 */
export const errors = {
  noOrgId: { http: 401, grpc: 'UNAUTHENTICATED', retryable: false },
  badTenantId: { http: 400, grpc: 'INVALID_ARGUMENT', retryable: false },
  badRequest: { http: 400, grpc: 'INVALID_ARGUMENT', retryable: false },
  notFound: { http: 404, grpc: 'NOT_FOUND', retryable: false },
  methodNotAllowed: { http: 405, grpc: 'UNIMPLEMENTED', retryable: false },
  forbidden: { http: 403, grpc: 'PERMISSION_DENIED', retryable: false },
  /** A large body that stopped arriving. */
  bodyStalled: { http: 408, grpc: 'DEADLINE_EXCEEDED', retryable: false },
  bodyTooLarge: { http: 413, grpc: 'RESOURCE_EXHAUSTED', retryable: false },
  unprocessable: { http: 422, grpc: 'INVALID_ARGUMENT', retryable: false },
  rateLimited: { http: 429, grpc: 'RESOURCE_EXHAUSTED', retryable: true },
  tooManyRequests: { http: 429, grpc: 'RESOURCE_EXHAUSTED', retryable: true },
  clientGone: { http: 499, grpc: 'CANCELLED', retryable: false },
  internal: { http: 500, grpc: 'INTERNAL', retryable: false },
  /** A binary operation met an impossible match; Loki answers 500 and so do we. */
  badMatching: { http: 500, grpc: 'INTERNAL', retryable: false },
  /** Stored bytes failed their checksum or make no sense. Never served. */
  corrupt: { http: 500, grpc: 'DATA_LOSS', retryable: false },
  unavailable: { http: 503, grpc: 'UNAVAILABLE', retryable: true },
  logNotAcked: { http: 503, grpc: 'UNAVAILABLE', retryable: true },
  overloaded: { http: 503, grpc: 'RESOURCE_EXHAUSTED', retryable: true },
  timeout: { http: 504, grpc: 'DEADLINE_EXCEEDED', retryable: true },
} as const satisfies Record<string, ErrorSpec>;

/** A key of `errors`: it determines the HTTP and gRPC status, and whether a retry may succeed. */
export type ErrorCode = keyof typeof errors;

/** A failure from the catalogue. `message` is the text for the client, Loki's text where Loki has one. */
export class LokiError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LokiError';
    this.code = code;
  }

  /** HTTP status of this failure. */
  get status(): number {
    return errors[this.code].http;
  }
}

/**
 * True for a system error with this code. It does not check the class, because errors may come from another
 * realm.
 */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
