/** Frees the memory of large buffers at once: bodies and columns, after step *limit* of a written line. */
import { types } from 'node:util';
import { isMarkedAsUntransferable } from 'node:worker_threads';

/** Smaller arrays die young, so the garbage collector frees them soon. */
const freedBytesMin = 4096;

/**
 * Frees the memory of an array at once; the array is empty afterwards. The garbage collector reacts late to
 * such memory: bodies of 40 MB added up to a gigabyte before it ran. Arrays that share their buffer with
 * others are not changed.
 */
export function freeMemory({ buffer, byteLength }: ArrayBufferView): void {
  if (!types.isArrayBuffer(buffer) || buffer.byteLength !== byteLength) return;
  if (byteLength < freedBytesMin || isMarkedAsUntransferable(buffer)) return;
  buffer.transfer(0);
}
