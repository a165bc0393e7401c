import { BytesError } from '@loki/bytes';
import { LokiError } from '@loki/model';

/** Stands in errors for bytes that have no name of their own. */
export const unnamed = 'segment in memory';

/** The error for stored bytes that cannot be believed: which object, which part of it, what is wrong. */
export function corrupt(name: string, where: string, problem: string, cause?: unknown): LokiError {
  return new LokiError('corrupt', `${name}: ${where}: ${problem}`, { cause });
}

/** Runs a decoder; turns what it finds wrong with the bytes into a `corrupt` error that names them. */
export function decodeOrCorrupt<T>(name: string, where: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof BytesError) throw corrupt(name, where, cause.message, cause);
    throw cause;
  }
}
