/** Keys of objects, as all stores accept them. */
import { LokiError } from '@loki/model';

/** S3's bound. */
const keyBytesMax = 1024;
/** A part becomes a file name with one byte added, and file systems end at 255. */
const partBytesMax = 250;

const allowedPart = /^[A-Za-z0-9!\-_.*'()]+$/;

/**
 * Checks that every store accepts `key` and maps it to exactly one object.
 *
 * @throws LokiError `internal`: keys come from this program, with tenants that were checked before
 */
export function checkKey(key: string): void {
  if (key.length > keyBytesMax) {
    throw new LokiError('internal', `object key of ${key.length} bytes is too long`);
  }
  for (const part of key.split('/')) {
    if (!allowedPart.test(part) || part === '.' || part === '..' || part.length > partBytesMax) {
      throw new LokiError('internal', `not an object key: ${JSON.stringify(key)}`);
    }
  }
}

/** A prefix to list by: the beginning of a key, which may end anywhere. */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return;
  checkKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
}

export function checkRange(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new RangeError(`not a range of bytes: ${offset}, ${length}`);
  }
}

export function notFound(key: string): LokiError {
  return new LokiError('notFound', `no object ${key}`);
}
