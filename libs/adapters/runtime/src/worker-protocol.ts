/** Messages between the pool and its threads. */
import { isMarkedAsUntransferable } from 'node:worker_threads';
import { errors, LokiError } from '@loki/model';
import type { ErrorCode } from '@loki/model';

/** Data of a worker at its start. */
export interface WorkerStart {
  /** Input of the script's environment factory. */
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
  /** Shared: 1 after the caller has given up. undefined: the caller cannot give up. */
  readonly cancelled: Int32Array | undefined;
  /**
   * Shared by all calls of one thread. [0] counts signs of life: messages read, and calls of
   * `checkCancelled`. [1] is the id of the last such call.
   */
  readonly pulse: Int32Array;
}

/** To a worker: requests a sign of life. */
export const ping = 'ping';

/** From a worker: the result of the task with this id. */
export type TaskAnswer =
  | { readonly id: number; readonly ok: true; readonly output: unknown }
  | { readonly id: number; readonly ok: false; readonly failure: WireError };

/** From a worker, at any time: content for the owner of the pool, such as figures of metrics. */
export interface ThreadReport {
  readonly report: unknown;
}

/** An error as plain data: structured clone would drop the code and the class. */
interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Code of the catalogue; undefined for other errors. */
  readonly code: ErrorCode | undefined;
  readonly cause: WireError | undefined;
}

/** Deepest chain of causes that is sent; a chain may be circular. */
const causeDepthMax = 4;

export function errorToWire(problem: unknown, depth = 0): WireError {
  if (typeof problem !== 'object' || problem === null) {
    return { name: 'Error', message: String(problem), stack: '', code: undefined, cause: undefined };
  }
  const error = problem as Partial<Error> & { code?: unknown };
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

/** Restores the error, a LokiError if it was one, with the stack of its thread. */
export function errorFromWire(wire: WireError): Error {
  const options = wire.cause ? { cause: errorFromWire(wire.cause) } : undefined;
  const error = wire.code
    ? new LokiError(wire.code, wire.message, options)
    : new Error(wire.message, options);
  error.name = wire.name;
  if (wire.stack) error.stack = wire.stack;
  return error;
}

/** The buffers that can be moved: each once, not shared, not part of Node's pool. */
export function movable(buffers: readonly ArrayBuffer[] | undefined): ArrayBuffer[] {
  if (!buffers) return [];
  return [...new Set(buffers)].filter(
    (buffer) =>
      !(buffer instanceof SharedArrayBuffer) && !isMarkedAsUntransferable(buffer) && !buffer.detached,
  );
}
