import { isMarkedAsUntransferable } from 'node:worker_threads';
import { errors, LokiError } from '@loki/model';
import type { ErrorCode } from '@loki/model';

/** Data of a worker at its start. */
export interface WorkerStart {
  /** For the script's environment factory. */
  readonly data: unknown;
  /** Nice value of the thread, where each thread has one of its own (Linux). */
  readonly nice: number;
  /** A task whose code the thread loads at once; undefined: the first call of each task loads its code. */
  readonly preloads?: string;
}

/** To a worker: run the task `name`. */
export interface TaskCall {
  readonly id: number;
  readonly name: string;
  readonly input: unknown;
  /** Shared: 1 as soon as nobody waits for the output any more. Undefined: somebody always will. */
  readonly cancelled: Int32Array | undefined;
  /**
   * Shared by all calls of one thread. [0] goes up with each sign of life: a message that is read, a
   * `checkCancelled`. [1] is the id of the call that gave the last one.
   */
  readonly pulse: Int32Array;
}

/** To a worker: give a sign of life, if you can read this. */
export const ping = 'ping';

/** From a worker: how the task with this id ended. */
export type TaskAnswer =
  | { readonly id: number; readonly ok: true; readonly output: unknown }
  | { readonly id: number; readonly ok: false; readonly failure: WireError };

/** An error as plain data: structured clone would drop the code and the class. */
interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Of the catalogue; undefined when the task threw something else. */
  readonly code: ErrorCode | undefined;
  readonly cause: WireError | undefined;
}

/** Causes of causes that travel; a chain may be a ring. */
const causeDepthMax = 4;

export function errorToWire(thrown: unknown, depth = 0): WireError {
  if (typeof thrown !== 'object' || thrown === null) {
    return { name: 'Error', message: String(thrown), stack: '', code: undefined, cause: undefined };
  }
  const error = thrown as Partial<Error> & { code?: unknown };
  const isOurs =
    error.name === 'LokiError' && typeof error.code === 'string' && Object.hasOwn(errors, error.code);
  return {
    name: String(error.name ?? 'Error'),
    message: String(error.message ?? 'an object without a message was thrown'),
    stack: String(error.stack ?? ''),
    code: isOurs ? (error.code as ErrorCode) : undefined,
    cause:
      error.cause === undefined || depth >= causeDepthMax ? undefined : errorToWire(error.cause, depth + 1),
  };
}

/** A LokiError when it was one, with the stack of the thread where it was thrown. */
export function errorFromWire(wire: WireError): Error {
  const options = wire.cause ? { cause: errorFromWire(wire.cause) } : undefined;
  const error = wire.code
    ? new LokiError(wire.code, wire.message, options)
    : new Error(wire.message, options);
  error.name = wire.name;
  if (wire.stack) error.stack = wire.stack;
  return error;
}

/**
 * Of what a task offers to move, what can be moved: each buffer once, not shared, not part of Node's own
 * pool.
 */
export function movable(buffers: readonly ArrayBuffer[] | undefined): ArrayBuffer[] {
  if (!buffers) return [];
  return [...new Set(buffers)].filter(
    (buffer) =>
      !(buffer instanceof SharedArrayBuffer) && !isMarkedAsUntransferable(buffer) && !buffer.detached,
  );
}
