/** CRC32C, the checksum of every stored or logged byte: records, segments, manifests. */
import { crcExports } from './crc32c-wasm.ts';

/**
 * Castagnoli's polynomial, bit-reversed. zlib.crc32 has the other one (IEEE), which misses more short bursts.
 */
const polynomial = 0x82f6_3b78;

/**
 * Slicing by 16: table[k * 256 + b] is the CRC of byte b followed by k zero bytes. 16 KiB, stays in the L1
 * cache.
 */
const tableWords = 16 * 256;

const { memory, update } = crcExports();
new Int32Array(memory.buffer, 0, tableWords).set(makeTable());
const room = new Uint8Array(memory.buffer, tableWords * 4);

/**
 * CRC32C (iSCSI, ext4, Kafka's) of bytes[start .. end). A small WebAssembly function, sixteen bytes a step:
 * twice as fast as the same in JavaScript (1.1 against 0.55 GB/s on a busy core), from the shortest input on.
 *
 * @param previous result of the bytes before, to continue over several buffers
 */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number {
  if (start < 0 || end > bytes.length || start > end) {
    throw new RangeError(`range ${start}..${end} is outside of ${bytes.length} bytes`);
  }
  let crc = ~previous;
  for (let at = start; at < end;) {
    const count = Math.min(room.length, end - at);
    room.set(at === 0 && count === bytes.length ? bytes : bytes.subarray(at, at + count));
    crc = update(room.byteOffset, room.byteOffset + count, crc);
    at += count;
  }
  return ~crc >>> 0;
}

function makeTable(): Int32Array {
  const table = new Int32Array(tableWords);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * polynomial);
    table[byte] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    const previous = table[i - 256];
    table[i] = (previous >>> 8) ^ table[previous & 0xff];
  }
  return table;
}
