/** zstd compression of segment units and record bodies, with bounds against hostile frames. */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BytesError } from './byte-reader.ts';
import { compressInContext, decompressInContext } from './zstd-contexts.ts';

/**
 * Level 1 compresses logs nearly as well as level 3 at two thirds of its cost, and blocks are compressed
 * while the client waits.
 */
export const zstdLevelDefault = 1;

/**
 * The CPU that compression may take: a zstd level, or `dense` for text that is written once and read for
 * months.
 */
export type ZstdEffort = number | 'dense';

/**
 * Parameters of `dense`. Lines repeat each other's long parts, so matches below six bytes are not worth a
 * look, and 32 earlier places are tried. 1 MiB of lines of the benchmark, bytes per raw byte and CPU s/GB to
 * compress: level 1 0.135 and 1.5, 8 0.105 and 8, 11 0.101 and 13, `dense` 0.102 and 9. To decompress it
 * takes half the time of level 1.
 */
const denseParams = {
  [constants.ZSTD_c_compressionLevel]: 8,
  [constants.ZSTD_c_minMatch]: 6,
  [constants.ZSTD_c_searchLog]: 5,
};

/** One zstd frame. CPU: 3.5-4 s/GB at level 1. */
export function zstdCompress(bytes: Uint8Array, effort: ZstdEffort = zstdLevelDefault): Buffer {
  const params = effort === 'dense' ? denseParams : { [constants.ZSTD_c_compressionLevel]: effort };
  // Somewhat more than the expected size of compressed logs: Node allocates the whole chunk, and the frame
  // keeps it alive.
  const chunkSize = chunkBytes(Math.ceil(bytes.length / 5));
  return compressInContext(bytes, effort, params) ?? zstdCompressSync(bytes, { chunkSize, params });
}

/** A block of a frame takes at least four bytes and repeats one byte at most 128 Ki times. */
const expansionMax = 2 ** 15;

/**
 * Decompresses a zstd frame whose raw size is known to be `rawBytes`. Throws BytesError for another size,
 * before it allocates more than `rawBytes` or more than the frame can hold. With a known size Node decodes in
 * one step, at half of the default's cost.
 */
export function zstdDecompress(bytes: Uint8Array, rawBytes: number): Buffer {
  if (rawBytes > bytes.length * expansionMax) {
    throw new BytesError(`zstd frame of ${bytes.length} bytes cannot hold ${rawBytes}`);
  }
  const whole = decompressInContext(bytes, rawBytes);
  if (whole) return whole;
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

/**
 * Node refuses chunks below 64 bytes. The 64 extra bytes avoid a second step that would only find the end.
 */
function chunkBytes(expected: number): number {
  return Math.max(1024, expected + 64);
}
