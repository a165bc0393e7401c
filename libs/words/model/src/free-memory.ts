import { types } from 'node:util';
import { isMarkedAsUntransferable } from 'node:worker_threads';

/** Smaller ones are young when they die: the collector has them soon. */
const freedBytesMin = 4096;

/**
 * Frees the memory of an array at once, which is empty afterwards. The collector counts such memory late: 40
 * MB bodies left a gigabyte behind before it looked. Arrays that share their memory with others stay as they
 * are.
 */
export function freeMemory({ buffer, byteLength }: ArrayBufferView): void {
  if (!types.isArrayBuffer(buffer) || buffer.byteLength !== byteLength) return;
  if (byteLength < freedBytesMin || isMarkedAsUntransferable(buffer)) return;
  buffer.transfer(0);
}
