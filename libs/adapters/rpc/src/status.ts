/** Converts errors to gRPC statuses and back; the code of the catalogue is kept. */
import { Metadata, status } from '@grpc/grpc-js';
import type { ServiceError, StatusObject } from '@grpc/grpc-js';
import { errors, LokiError } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import { encodeMessage, ErrorInfo, Status } from '@loki/proto';

const detailsKey = 'grpc-status-details-bin';
const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo';
const domain = 'lokits';
/** Longest status text: it travels in a header, whose size peers bound. */
const textCharsMax = 2048;

/**
 * A failure as a message: catalogue errors keep their code; others become `internal error` without details.
 */
export function statusOf(error: unknown): Status {
  const failure =
    error instanceof LokiError ? error : new LokiError('internal', 'internal error', { cause: error });
  const message =
    failure.message.length <= textCharsMax ? failure.message : `${failure.message.slice(0, textCharsMax)}…`;
  return {
    code: status[errors[failure.code].grpc as keyof typeof status] as number,
    message,
    details: [
      {
        typeUrl: errorInfoType,
        value: encodeMessage(ErrorInfo, { reason: failure.code, domain }),
      },
    ],
  };
}

/** The failure as gRPC's trailers. */
export function statusObjectOf(error: unknown): StatusObject {
  const wire = statusOf(error);
  const metadata = new Metadata();
  metadata.set(detailsKey, encodeMessage(Status, wire));
  return { code: wire.code, details: wire.message, metadata };
}

/** The failure of a status. */
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
 * The failure of a call. Without a status of the peer the transport failed: a lost, slow or disconnected peer
 * is `unavailable`, so that callers ask another one.
 */
export function errorOfCall(error: unknown, signal: AbortSignal | undefined, peer: string): unknown {
  if (signal?.aborted) return signal.reason;
  if (!isServiceError(error)) return error;
  const [details] = error.metadata?.get(detailsKey) ?? [];
  if (details instanceof Buffer) {
    try {
      return errorOfStatus(Status.decode(details), error);
    } catch {
      // The status is not from our processes: only its code is used.
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
