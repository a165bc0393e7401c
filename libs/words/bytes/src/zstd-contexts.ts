/** Contexts of zstd that serve one frame after another: steps *batch* and *flush* of a written line. */
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { isWholeFrame } from './zstd-frame.ts';

/**
 * Node makes a context for each call of its synchronous functions: a mebibyte and more to compress, which is
 * mapped, filled with zeros and given back; 0.9 GiB for 0.25 GB of pushed lines. zstd itself starts a frame
 * anew in the same context, so the codec of a stream, which Node keeps, is written to directly. Its fields
 * are Node's own: where they are missing, callers use the synchronous functions.
 */
interface Codec {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
  } | null;
  /** Bytes that remain of output and input after a write. */
  readonly _writeState: Uint32Array;
}

/** Batches of pushes are 2 to 4 MiB. Longer inputs are rare, and room for their output should not stay. */
export const contextInputBytesMax = 2 ** 23;

/** By the name of their parameters. */
const compressors = new Map<string | number, Codec>();
let decompressor: Codec | undefined;
let scratch = Buffer.alloc(0);

/**
 * One frame, the same as from a context of its own; undefined: the context cannot be used.
 *
 * @param name  of the parameters: a context keeps those that it was made with
 */
export function compressInContext(
  bytes: Uint8Array,
  name: string | number,
  params: Readonly<Record<number, number>>,
): Buffer | undefined {
  if (bytes.length > contextInputBytesMax) return undefined;
  let codec = compressors.get(name);
  if (!codec) {
    codec = quiet(createZstdCompress({ params, chunkSize: chunkBytesLeast }));
    compressors.set(name, codec);
  }
  // With room for the worst case zstd reads the input where it is, and ends the frame in one step.
  const bound = compressedBytesMax(bytes.length);
  if (scratch.length < bound) scratch = Buffer.allocUnsafeSlow(bound);
  const written = write(codec, constants.ZSTD_e_end, bytes, scratch);
  const frame = written === undefined ? undefined : scratch.subarray(0, written);
  if (!frame || !isWholeFrame(frame, bytes.length)) {
    compressors.delete(name);
    return undefined;
  }
  const copy = Buffer.allocUnsafeSlow(frame.length);
  frame.copy(copy);
  return copy;
}

/** The frame's content; undefined: the frame is not one whole frame of `rawBytes`, or is damaged. */
export function decompressInContext(bytes: Uint8Array, rawBytes: number): Buffer | undefined {
  // Of any other frame the context would wait for the rest, and take the next frame for it.
  if (!isWholeFrame(bytes, rawBytes)) return undefined;
  decompressor ??= quiet(createZstdDecompress({ chunkSize: chunkBytesLeast }));
  const raw = Buffer.allocUnsafeSlow(rawBytes);
  const written = write(decompressor, constants.ZSTD_e_continue, bytes, raw);
  if (written === rawBytes) return raw;
  decompressor = undefined;
  return undefined;
}

const chunkBytesLeast = 64;

/** Node reports a damaged frame by an event too. */
function quiet(stream: NodeJS.EventEmitter): Codec {
  return stream.on('error', () => undefined) as unknown as Codec;
}

/** Bytes that were written when all of the input was read; undefined: it was not. */
function write(codec: Codec, flush: number, input: Uint8Array, output: Uint8Array): number | undefined {
  if (typeof codec._handle?.writeSync !== 'function') return undefined;
  codec._handle.writeSync(flush, input, 0, input.length, output, 0, output.length);
  // Node closes a codec that has failed.
  if (!codec._handle) return undefined;
  const [outputRest, inputRest] = codec._writeState;
  return inputRest === 0 ? output.length - outputRest : undefined;
}

/** zstd's own bound: what does not compress is stored in blocks, with three bytes before each. */
function compressedBytesMax(rawBytes: number): number {
  return rawBytes + (rawBytes >>> 8) + 128;
}
