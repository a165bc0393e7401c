/** Errors as gRPC statuses and back, so that a code of the catalogue survives the way. */
import { Metadata, status } from '@grpc/grpc-js';
import type { ServiceError, StatusObject } from '@grpc/grpc-js';
import { errors, LokiError } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import { encodeMessage, ErrorInfo, Status } from '@loki/proto';

const detailsKey = 'grpc-status-details-bin';
const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo';
const domain = 'lokits';
/** Status texts travel in a header, whose size peers bound. */
const textCharsMax = 2048;

/**
 * A failure on the wire: catalogue errors keep their code, all others are our own fault and say nothing.
 */
export function statusOf(error: unknown): Status {
  const known =
    error instanceof LokiError ? error : new LokiError('internal', 'internal error', { cause: error });
  const message =
    known.message.length <= textCharsMax ? known.message : `${known.message.slice(0, textCharsMax)}…`;
  return {
    code: status[errors[known.code].grpc as keyof typeof status] as number,
    message,
    details: [
      {
        typeUrl: errorInfoType,
        value: encodeMessage(ErrorInfo, { reason: known.code, domain }),
      },
    ],
  };
}

/** The same as gRPC's trailers. */
export function statusObjectOf(error: unknown): StatusObject {
  const wire = statusOf(error);
  const metadata = new Metadata();
  metadata.set(detailsKey, encodeMessage(Status, wire));
  return { code: wire.code, details: wire.message, metadata };
}

/** The failure that a status stands for. */
export function errorOfStatus(wire: Status, cause?: unknown): LokiError {
  for (const { typeUrl, value } of wire.details) {
    if (typeUrl !== errorInfoType) continue;
    const info = ErrorInfo.decode(value);
    if (info.domain === domain && Object.hasOwn(errors, info.reason)) {
      return new LokiError(info.reason as ErrorCode, wire.message, { cause });
    }
  }
  return new LokiError(codeOf(wire.code), wire.message, { cause });
}

/**
 * The failure of a call. Where the peer said nothing the transport failed: a peer that is gone, that takes
 * too long or whose connection broke is `unavailable`, so that callers ask another one.
 */
export function errorOfCall(error: unknown, signal: AbortSignal | undefined, peer: string): unknown {
  if (signal?.aborted) return signal.reason;
  if (!isServiceError(error)) return error;
  const [details] = error.metadata?.get(detailsKey) ?? [];
  if (details instanceof Buffer) {
    try {
      return errorOfStatus(Status.decode(details), error);
    } catch {
      // Not of our making: the code alone tells.
    }
  }
  const code = codeOf(error.code);
  return new LokiError(code, `${peer}: ${error.details}`, { cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as Partial<ServiceError>).code === 'number';
}

function codeOf(code: number): ErrorCode {
  switch (code) {
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
    case status.FAILED_PRECONDITION:
      return 'badRequest';
    case status.NOT_FOUND:
      return 'notFound';
    case status.PERMISSION_DENIED:
      return 'forbidden';
    case status.UNAUTHENTICATED:
      return 'noOrgId';
    case status.RESOURCE_EXHAUSTED:
      return 'overloaded';
    case status.DATA_LOSS:
      return 'corrupt';
    case status.UNIMPLEMENTED:
      return 'methodNotAllowed';
    default:
      return 'unavailable';
  }
}
