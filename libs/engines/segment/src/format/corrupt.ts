/** Errors for damaged segments, which name the object and the place. */
import { BytesError } from '@loki/bytes';
import { LokiError } from '@loki/model';

/** Name of unnamed bytes in errors. */
export const unnamed = 'segment in memory';

/** The error for damaged bytes: object, place in it, problem. */
export function corrupt(name: string, place: string, problem: string, cause?: unknown): LokiError {
  return new LokiError('corrupt', `${name}: ${place}: ${problem}`, { cause });
}

/** Runs a decoder and turns its BytesError into a `corrupt` error that names object and place. */
export function decodeOrCorrupt<T>(name: string, place: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof BytesError) throw corrupt(name, place, cause.message, cause);
    throw cause;
  }
}
