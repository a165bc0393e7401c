import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BytesError } from './byte-reader.ts';

/**
 * Level 1 compresses logs nearly as well as 3 at two thirds of its cost, and blocks are compressed on the way
 * in.
 */
export const zstdLevelDefault = 1;

/** One zstd frame. CPU: 3.5-4 s/GB at level 1. */
export function zstdCompress(bytes: Uint8Array, level = zstdLevelDefault): Buffer {
  return zstdCompressSync(bytes, {
    // The expected bytes of compressed logs, with room to spare: the whole chunk is taken, and kept for as
    // long as its frame.
    chunkSize: chunkBytes(Math.ceil(bytes.length / 5)),
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

/** A block of a frame repeats one byte 128 Ki times at most, and takes four bytes for that. */
const expansionMax = 2 ** 15;

/**
 * The bytes of a zstd frame which are known to be `rawBytes`; throws BytesError when they are not, before
 * more memory than that is taken, or more than the frame can hold. The size lets Node decode in one step:
 * half of the default's cost.
 */
export function zstdDecompress(bytes: Uint8Array, rawBytes: number): Buffer {
  if (rawBytes > bytes.length * expansionMax) {
    throw new BytesError(`zstd frame of ${bytes.length} bytes cannot hold ${rawBytes}`);
  }
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(bytes, {
      chunkSize: chunkBytes(rawBytes),
      maxOutputLength: Math.max(1, rawBytes),
    });
  } catch (cause) {
    throw new BytesError(`zstd frame of ${bytes.length} bytes is damaged: ${(cause as Error).message}`);
  }
  if (raw.length !== rawBytes) throw new BytesError(`zstd frame holds ${raw.length} bytes, not ${rawBytes}`);
  return raw;
}

/** Node refuses chunks below 64 bytes; 64 spare ones spare a second step that finds only the end. */
function chunkBytes(expected: number): number {
  return Math.max(1024, expected + 64);
}
